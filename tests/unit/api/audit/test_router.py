"""The audit log can be followed by the numbers of its entries."""

import pytest

from tests.unit.api.conftest import Plane, authority


def test_entries_after_a_number_follow_each_other(town: Plane) -> None:
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    assert town.done("GET", f"/v1/audit?sort=seq&after={last}") == {"items": [], "next": None}
    for slug in ("one", "two", "three"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    first = town.done("GET", f"/v1/audit?sort=seq&after={last}&limit=2")
    rest = town.done("GET", f"/v1/audit?sort=seq&after={last}&limit=2&cursor={first['next']}")
    assert [entry["seq"] for part in (first, rest) for entry in part["items"]] == [last + 1, last + 2, last + 3]
    assert rest["next"] is None
    only = town.done("GET", f"/v1/audit?after={last}&authority=two")["items"]
    assert [entry["seq"] for entry in only] == [last + 2]
    newest = town.done("GET", f"/v1/audit?after={last + 1}")["items"]
    assert [entry["seq"] for entry in newest] == [last + 3, last + 2]


@pytest.mark.parametrize("after", ["-1", "2147483648", "x"])
def test_a_wrong_number_is_refused(town: Plane, after: str) -> None:
    assert town.call("GET", f"/v1/audit?after={after}").status_code == 422


def test_others_entries_stay_hidden(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "zone"))
    shown = town.call("GET", "/v1/audit?after=1&sort=seq&limit=200", token=token).json()["items"]
    assert shown
    assert all("zone" in entry["authorities"] for entry in shown)
