"""Register, change and remove authorities, and what is rejected."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority


def test_put_creates_then_replaces_then_does_nothing(plane: Plane) -> None:
    first = plane.call("PUT", "/v1/authorities/town", authority())
    again = plane.call("PUT", "/v1/authorities/town", authority())
    other = plane.call("PUT", "/v1/authorities/town", authority(contact="help@example.org"))
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 200]
    assert [first.json()["revision"], again.json()["revision"], other.json()["revision"]] == [1, 1, 2]
    assert first.headers["etag"] == again.headers["etag"] != other.headers["etag"]
    assert first.headers["etag"].startswith('"r1.')


def test_patch_changes_the_given_field_only(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority())
    changed = plane.done("PATCH", "/v1/authorities/town", {"group": "coast"})
    assert changed == {
        **authority(),
        "slug": "town",
        "group": "coast",
        "usage": "authority",
        "public_register": False,
        "filtering_database": "",
        "time_zone": "Europe/Brussels",
        "revision": 2,
        "state": "open",
        "off_needs_reason": False,
        "off_needs_approver": False,
        "closes": None,
        "closed_reason": "",
        "closed_decision": None,
        "successor": None,
        "client_level": None,
    }


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"kind": "kingdom"}, "body.kind"),
        ({"time_zone": "Europe/Nowhere"}, "body.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "body.time_zone"),
        ({"contact": "a\nb"}, "body.contact"),
        ({"languages": ["nl", "nl"]}, "body.languages"),
        ({"languages": ["NL!"]}, "body.languages.0"),
        ({"names": {}}, "body.names"),
        ({"usage": "all"}, "body.usage"),
        ({"person": "somebody"}, "body.person"),
    ],
)
def test_a_faulty_authority_is_refused_with_the_location(plane: Plane, changes: dict[str, Any], location: str) -> None:
    response = plane.call("PUT", "/v1/authorities/town", authority(**changes))
    assert response.status_code == 422
    assert location in [fault["location"] for fault in response.json()["faults"]]
    assert plane.revision() == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_usage_level_that_needs_an_act_of_its_own_is_refused_with_the_others(town: Plane, method: str) -> None:
    body = authority(usage="client") if method == "PUT" else {"usage": "client"}
    response = town.call(method, "/v1/authorities/town", body)
    message = 'usage "client" needs an act of its own, with a purpose and an end: use none, authority, range'
    assert response.status_code == 422
    assert response.json()["faults"] == [{"location": "body.usage", "message": message}]


@pytest.mark.parametrize("slug", ["Town", "-town", "a" * 64, "town%00", "to wn", "tôwn"])
def test_a_slug_is_small_letters_digits_and_hyphens(plane: Plane, slug: str) -> None:
    assert plane.call("PUT", f"/v1/authorities/{slug}", authority()).status_code == 422


def test_an_authority_with_ranges_or_bans_is_not_removed(town: Plane) -> None:
    assert town.call("DELETE", "/v1/authorities/zone").status_code == 409
    town.done("DELETE", "/v1/ranges/default/198.51.100.0/24")
    assert town.call("DELETE", "/v1/authorities/zone").status_code == 204
    assert town.call("GET", "/v1/authorities/zone").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"r1"'}, 200),
        ({"If-Match": '"r7"'}, 412),
        ({"If-Match": "*"}, 200),
        ({"If-None-Match": "*"}, 412),
    ],
)
def test_preconditions_guard_a_change(plane: Plane, headers: dict[str, str], status: int) -> None:
    plane.done("PUT", "/v1/authorities/town", authority())
    bearer = {"Authorization": f"Bearer {plane.token}"}
    response = plane.call("PUT", "/v1/authorities/town", authority(group="x"), headers={**bearer, **headers})
    assert response.status_code == status
    assert plane.revision() == (2 if status == 200 else 1)


def test_if_match_does_not_create(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {plane.token}", "If-Match": "*"}
    assert plane.call("PUT", "/v1/authorities/town", authority(), headers=headers).status_code == 412
