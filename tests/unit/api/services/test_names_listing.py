"""Names of a service in pages: the catalogue's, an authority's own, and those that are only monitored yet."""

import pytest

from api.services.names_listing import FIRST, ListedName, names_after
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane


def _tier(number: int, domains: str = "", hosts: str = "", enforced_from: int | None = None) -> Tier:
    covered, exact = (frozenset(map(parse_name, names.split())) for names in (domains, hosts))
    return Tier(number, covered, exact, enforced_from)


SERVICE = Service(
    "town:games",
    "Games",
    (
        _tier(2, "long-name.example.org b.example.org", "b.example.org a.example.org"),
        _tier(1, "example.net"),
        _tier(2, "aa.example.org", enforced_from=5),
    ),
)
IN_ORDER = (
    ListedName(1, "example.net", exact=False),
    ListedName(2, "a.example.org", exact=True),
    ListedName(2, "aa.example.org", exact=False),
    ListedName(2, "b.example.org", exact=False),
    ListedName(2, "b.example.org", exact=True),
    ListedName(2, "long-name.example.org", exact=False),
)


def test_names_are_in_the_order_of_tiers_and_texts() -> None:
    assert tuple(names_after(SERVICE, FIRST)) == IN_ORDER
    assert tuple(names_after(SERVICE, FIRST, 1)) == IN_ORDER[:1]
    assert tuple(names_after(SERVICE, FIRST, 3)) == ()


@pytest.mark.parametrize("position", range(len(IN_ORDER)))
def test_a_page_goes_on_after_any_name(position: int) -> None:
    assert tuple(names_after(SERVICE, IN_ORDER[position])) == IN_ORDER[position + 1 :]
    only = [each for each in IN_ORDER[position + 1 :] if each.tier == 2]
    assert list(names_after(SERVICE, IN_ORDER[position], 2)) == only


def test_pages_have_all_names_once_and_the_tiers(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/services/games", {"name": "Games", "domains": ["b.example.org"]})
    town.done("POST", "/v1/authorities/town/services/games/names", {"add": ["a.example.org"], "exact": True})
    for slug, names in (
        ("town:games", [("a.example.org", True), ("b.example.org", False)]),
        ("alpha", [("alpha1.example.org", False), ("alpha2.example.org", False)]),
    ):
        found, query = list[tuple[str, bool]](), {"limit": 1}
        while True:
            page = town.done("GET", f"/v1/services/{slug}/names", params=query)
            found += [(each["name"], each["exact"]) for each in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert found[: len(names)] == names
        assert sum(tier["names"] for tier in page["tiers"]) == len(found)
    assert town.call("GET", "/v1/services/alhpa/names").status_code == 404
    assert town.call("GET", "/v1/services/alpha/names?cursor=WzFd").status_code == 422
