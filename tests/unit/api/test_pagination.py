"""Lists in pages."""

import pytest

from tests.unit.api.conftest import Plane, authority


def test_lists_are_cut_into_pages_without_gap_or_double(plane: Plane) -> None:
    slugs = [f"town-{number:02}" for number in range(7)]
    for slug in slugs:
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
    seen: list[str] = []
    cursor = ""
    while True:
        page = plane.done("GET", f"/v1/authorities?limit=3{cursor}")
        seen += [item["slug"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == slugs


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=%%%", "cursor=MTI", "cursor=e30", "cursor=Ilx1ZDgwMCI", "cursor=" + "a" * 500],
)
def test_a_faulty_page_is_refused(plane: Plane, query: str) -> None:
    assert plane.call("GET", f"/v1/authorities?{query}").status_code == 422
