"""Space: administrators allot it, and operators register ranges in it."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority, on_both_databases

SPACE = "/v1/spaces/default/203.0.113.0/24"
ACTIONS: dict[str, tuple[str, Any]] = {
    "register": ("PUT", {"authority": "town", "funding": "public", "audience": "staff"}),
    "change": ("PATCH", {"label": "hall"}),
    "remove": ("DELETE", None),
}


@pytest.fixture
def operator(town: Plane) -> str:
    """Return the token of an operator of town, which has 203.0.113.0/24 and a part of 198.51.100.0/22."""
    for prefix, slug in (("203.0.113.0/24", "town"), ("198.51.0.0/16", "zone"), ("198.51.96.0/21", "town")):
        town.done("PUT", f"/v1/spaces/default/{prefix}", {"authority": slug})
    return town.account("desk", ("operator", "town"))[1]


def _range(plane: Plane, prefix: str, owner: str) -> None:
    body = {"authority": owner, "funding": "public", "audience": "staff"}
    plane.done("PUT", f"/v1/ranges/default/{prefix}", body)


@on_both_databases
def test_space_is_allotted_read_and_withdrawn_on_record_without_a_revision(town: Plane) -> None:
    revision = town.revision()
    made = town.call("PUT", SPACE, {"authority": "town"})
    assert (made.status_code, made.json()["prefix"]) == (201, "203.0.113.0/24")
    assert town.call("PUT", SPACE, {"authority": "town"}).status_code == 200
    assert town.call("PUT", SPACE, {"authority": "zone"}).status_code == 409
    town.done("PUT", "/v1/spaces/default/2001:db8::/32", {"authority": "zone"})
    assert town.done("GET", SPACE) == made.json() == town.done("GET", "/v1/spaces?authority=town")["items"][0]
    assert [item["authority"] for item in town.done("GET", "/v1/spaces?site=default")["items"]] == ["town", "zone"]
    assert town.call("DELETE", SPACE, headers=_if_match(town, '"r99"')).status_code == 412
    assert town.call("DELETE", SPACE, headers=_if_match(town, made.headers["etag"])).status_code == 204
    assert town.call("GET", SPACE).status_code == 404
    acts = town.done("GET", "/v1/audit?object=space/default/203.0.113.0/24")["items"]
    assert [(item["act"], item["authorities"]) for item in acts] == [
        ("space.withdraw", ["town"]),
        ("space.allot", ["town"]),
    ]
    assert town.revision() == revision


def _if_match(plane: Plane, value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plane.token}", "If-Match": value}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/spaces/depot/203.0.113.0/24", {"authority": "town"}, 404),
        (SPACE, {"authority": "nobody"}, 422),
        (SPACE, {}, 422),
        ("/v1/spaces/default/203.0.113.1/24", {"authority": "town"}, 422),
        ("/v1/spaces/default/fe80::/64", {"authority": "town"}, 422),
    ],
)
def test_invalid_allotment_is_rejected(untouched: Plane, path: str, body: dict[str, str], status: int) -> None:
    assert untouched.call("PUT", path, body).status_code == status


def test_neither_an_authority_with_space_nor_its_site_is_removed(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/third", authority())
    town.done("PUT", "/v1/sites/depot", {})
    town.done("PUT", "/v1/spaces/depot/192.0.2.0/24", {"authority": "third"})
    assert town.call("DELETE", "/v1/authorities/third").status_code == 409
    assert town.call("DELETE", "/v1/sites/depot").status_code == 409
    town.done("DELETE", "/v1/spaces/depot/192.0.2.0/24")
    assert town.call("DELETE", "/v1/sites/depot").status_code == 204
    assert town.call("DELETE", "/v1/authorities/third").status_code == 204


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("prefix", "registered", "allowed"),
    [
        ("203.0.113.0/24", [], True),
        ("203.0.113.64/26", [], True),
        ("203.0.113.64/26", [("203.0.113.0/24", "town")], True),
        ("203.0.113.64/26", [("203.0.113.0/24", "zone")], False),
        ("203.0.113.64/26", [("203.0.0.0/16", "zone")], False),
        ("203.0.113.64/26", [("203.0.0.0/16", "zone"), ("203.0.113.0/24", "town")], True),
        ("203.0.113.64/26", [("203.0.113.96/27", "zone")], True),
        ("203.0.112.0/23", [], False),
        ("203.0.112.0/24", [], False),
        ("198.51.97.0/24", [], True),
        ("198.51.104.0/24", [], False),
        ("2001:db8::/48", [], False),
    ],
)
def test_operator_acts_in_own_space_and_outside_others_ranges(
    town: Plane, operator: str, prefix: str, registered: list[tuple[str, str]], allowed: bool
) -> None:
    for other, owner in registered:
        _range(town, other, owner)
    for action, (method, body) in ACTIONS.items():
        if action == "change" and not allowed:
            _range(town, prefix, "town")
        revision = town.revision()
        response = town.call(method, f"/v1/ranges/default/{prefix}", body, token=operator)
        assert (response.status_code < 300, response.status_code == 403) == (allowed, not allowed), response.text
        assert town.revision() == revision + allowed
        assert allowed or "Ask an administrator" in response.json()["detail"]


def test_each_of_two_authorities_whose_space_is_nested_acts_in_its_own(town: Plane, operator: str) -> None:
    _, zones = town.account("zones", ("operator", "zone"))
    body = {"authority": "zone", "funding": "public", "audience": "staff"}
    around, inner = "/v1/ranges/default/198.51.0.0/16", "/v1/ranges/default/198.51.97.0/24"
    refused = town.call("PUT", around, body, token=zones)
    assert (refused.status_code, "contains space of another authority" in refused.json()["detail"]) == (403, True)
    town.done("PUT", around, body)
    assert town.call("DELETE", around, token=zones).status_code == 403
    assert town.call("PUT", inner, {**body, "authority": "town"}, token=operator).status_code == 403
    town.done("PUT", "/v1/ranges/default/198.51.96.0/21", {**body, "authority": "town"})
    assert town.call("PUT", inner, {**body, "authority": "town"}, token=operator).status_code == 201
    assert town.call("PUT", "/v1/ranges/default/198.51.200.0/24", body, token=zones).status_code == 201
    town.done("PUT", "/v1/spaces/default/2001:db8::/32", {"authority": "zone"})
    town.done("PUT", "/v1/spaces/default/2001:db8:7::/48", {"authority": "town"})
    for prefix, status in (("2001:db8::/40", 403), ("2001:db8:8::/48", 201), ("2001:db8:7::/48", 403)):
        assert town.call("PUT", f"/v1/ranges/default/{prefix}", body, token=zones).status_code == status


def test_space_allotted_around_anothers_range_lets_nobody_into_it(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    _range(town, "203.0.113.0/24", "zone")
    _range(town, "203.0.113.128/25", "town")
    for space in ("203.0.0.0/16", "203.0.113.0/24", "203.0.113.0/26", "203.0.113.5/32"):
        town.done("PUT", f"/v1/spaces/default/{space}", {"authority": "town"})
        refused = town.call("PUT", "/v1/ranges/default/203.0.113.5/32", ACTIONS["register"][1], token=desk)
        assert (refused.status_code, "another authority's range" in refused.json()["detail"]) == (403, True)
    assert town.done("GET", "/v1/who?address=203.0.113.5")["authority"] == "zone"
    inside_its_own = "/v1/ranges/default/203.0.113.200/32"
    assert town.call("PUT", inside_its_own, ACTIONS["register"][1], token=desk).status_code == 201


@on_both_databases
def test_a_tag_of_space_that_was_withdrawn_is_not_that_of_the_next_allotment(town: Plane) -> None:
    earlier = town.call("PUT", SPACE, {"authority": "town"}).headers["etag"]
    for _ in range(2):
        town.done("DELETE", SPACE)
        town.done("PUT", SPACE, {"authority": "town"})
    assert town.call("DELETE", SPACE, headers=_if_match(town, earlier.split(".")[0] + '"')).status_code == 412
    entry = town.done("GET", "/v1/audit?act=space.allot&limit=1")["items"][0]
    assert town.done("GET", SPACE)["revision"] == entry["seq"]


def test_operator_loses_permission_when_space_is_withdrawn(town: Plane, operator: str) -> None:
    path = "/v1/ranges/default/203.0.113.0/24"
    assert town.call("PUT", path, ACTIONS["register"][1], token=operator).status_code == 201
    town.done("DELETE", SPACE)
    assert town.call("PATCH", path, {"label": "hall"}, token=operator).status_code == 403
    assert town.done("GET", path)["label"] == ""
