"""The lists of ranges inside others and of unused space, and who may see what."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, on_both_databases

pytestmark = pytest.mark.heavy

OVERLAPS, GAPS = "/v1/ranges/overlaps", "/v1/spaces/gaps"


@pytest.fixture
def nested(town: Plane) -> Plane:
    """Return a control plane with ranges of town and zone inside each other, and space of both."""
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    for prefix, owner in (
        ("default/192.0.2.128/25", "zone"),
        ("default/192.0.2.192/26", "town"),
        ("default/192.0.2.0/26", "town"),
        ("depot/192.0.2.0/24", "zone"),
        ("depot/192.0.2.5/32", "town"),
    ):
        body = {"authority": owner, "funding": "public", "audience": "staff", "label": prefix}
        town.done("PUT", f"/v1/ranges/{prefix}", body)
    for prefix, owner in (
        ("default/192.0.2.0/24", "town"),
        ("default/192.0.2.128/26", "zone"),
        ("default/203.0.113.0/24", "town"),
        ("default/203.0.113.64/26", "zone"),
        ("depot/192.0.2.0/28", "town"),
        ("depot/198.51.100.0/30", "town"),
    ):
        town.done("PUT", f"/v1/spaces/{prefix}", {"authority": owner})
    return town


def _pairs(found: Any) -> list[tuple[str, str, str | None]]:
    return [
        (item["site"], item["prefix"], item["within"] and f"{item['within']['prefix']} {item['within']['authority']}")
        for item in found["items"]
    ]


ALL = [
    ("default", "192.0.2.128/25", "192.0.2.0/24 town"),
    ("default", "192.0.2.192/26", "192.0.2.128/25 zone"),
    ("depot", "192.0.2.5/32", "192.0.2.0/24 zone"),
]


def test_ranges_inside_those_of_others(nested: Plane) -> None:
    for query, expected in (
        ("", ALL),
        ("?site=depot", ALL[2:]),
        ("?authority=town", ALL),
        ("?own=true", [("default", "192.0.2.0/26", "192.0.2.0/24 town"), *ALL]),
    ):
        assert _pairs(nested.done("GET", f"{OVERLAPS}{query}")) == expected, query


@on_both_databases
def test_a_page_follows_another(nested: Plane) -> None:
    for path in (f"{OVERLAPS}?own=true", f"{GAPS}?"):
        all_items, items, cursor = nested.done("GET", path)["items"], [], ""
        while True:
            page = nested.done("GET", f"{path}&limit=1{cursor}")
            items += page["items"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert items == all_items
        assert len(items) > 3
        assert nested.call("GET", f"{path}&cursor=IjlnYWci").status_code == 422


def test_reader_sees_own_inner_ranges_without_the_outer_owner(nested: Plane) -> None:
    _, reader = nested.account("reader", ("reader", "town"))
    answer = nested.done("GET", OVERLAPS, token=reader)
    assert _pairs(answer) == [("default", "192.0.2.192/26", None), ("depot", "192.0.2.5/32", None)]
    assert _pairs(nested.done("GET", f"{OVERLAPS}?authority=zone", token=reader)) == []
    _, other = nested.account("other", ("reader", "zone"))
    assert _pairs(nested.done("GET", OVERLAPS, token=other)) == [("default", "192.0.2.128/25", None)]


def _gaps(found: Any) -> list[str]:
    return [f"{item['site']} {item['prefix']} of {item['space']} {item['authority']}" for item in found["items"]]


def test_space_that_no_range_covers(nested: Plane) -> None:
    nested.done("PUT", "/v1/ranges/default/203.0.113.0/26", _values("town"))
    nested.done("PUT", "/v1/ranges/default/203.0.113.128/27", _values("zone"))
    nested.done("DELETE", "/v1/ranges/depot/192.0.2.0/24")
    expected = [
        *(f"default 203.0.113.{prefix} of 203.0.113.0/24 town" for prefix in ("160/27", "192/26")),
        "default 203.0.113.64/26 of 203.0.113.64/26 zone",
        *(f"depot 192.0.2.{prefix} of 192.0.2.0/28 town" for prefix in ("0/30", "4/32", "6/31", "8/29")),
        "depot 198.51.100.0/30 of 198.51.100.0/30 town",
    ]
    assert _gaps(nested.done("GET", GAPS)) == expected
    assert _gaps(nested.done("GET", f"{GAPS}?site=depot&authority=town")) == expected[3:]
    assert _gaps(nested.done("GET", f"{GAPS}?authority=zone")) == expected[2:3]
    _, reader = nested.account("reader", ("reader", "zone"))
    assert _gaps(nested.done("GET", GAPS, token=reader)) == expected[2:3]
    nested.done("PUT", "/v1/ranges/default/203.0.113.64/26", _values("zone"))
    assert _gaps(nested.done("GET", GAPS))[:3] == [*expected[:2], expected[3]]


@on_both_databases
def test_a_list_continues_where_its_last_space_was_withdrawn(nested: Plane) -> None:
    first = nested.done("GET", f"{GAPS}?limit=1")
    rest = _gaps(nested.done("GET", f"{GAPS}?site=depot"))
    nested.done("DELETE", f"/v1/spaces/default/{first['items'][0]['space']}")
    assert _gaps(nested.done("GET", f"{GAPS}?cursor={first['next']}"))[-len(rest) :] == rest


def _values(authority: str) -> dict[str, str]:
    return {"authority": authority, "funding": "public", "audience": "staff"}


def _nesting(plane: Plane, address: str, token: str | None = None) -> list[str]:
    found = plane.done("GET", f"/v1/who?address={address}", token=token)
    return [f"{item['prefix']} {item['authority']} {item['funding']} {item['audience']}" for item in found["nesting"]]


def test_who_shows_the_ranges_around_and_the_space(nested: Plane) -> None:
    assert _nesting(nested, "192.0.2.200") == [
        "192.0.2.192/26 town public staff",
        "192.0.2.128/25 zone public staff",
        "192.0.2.0/24 town public staff",
    ]
    _, reader = nested.account("reader", ("reader", "town"))
    assert [line.split()[0] for line in _nesting(nested, "192.0.2.200", reader)] == ["192.0.2.192/26", "192.0.2.0/24"]
    assert nested.done("GET", "/v1/who?address=192.0.2.130")["space"] == {
        "prefix": "192.0.2.128/26",
        "authority": "zone",
    }
    assert nested.done("GET", "/v1/who?address=192.0.2.200")["space"]["prefix"] == "192.0.2.0/24"
    nobody = nested.done("GET", "/v1/who?address=2001:db8::1")
    assert (nobody["nesting"], nobody["space"]) == ([], None)
