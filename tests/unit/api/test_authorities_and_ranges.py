"""Authorities, sites and ranges through the API."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, authority

RANGE = {"authority": "town", "funding": "public", "audience": "staff"}


def test_put_creates_then_replaces_then_does_nothing(plane: Plane) -> None:
    first = plane.call("PUT", "/v1/authorities/town", authority())
    again = plane.call("PUT", "/v1/authorities/town", authority())
    other = plane.call("PUT", "/v1/authorities/town", authority(contact="help@example.org"))
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 200]
    assert [first.json()["revision"], again.json()["revision"], other.json()["revision"]] == [1, 1, 2]
    assert first.headers["etag"] == again.headers["etag"] == '"r1"'


def test_patch_changes_the_given_field_only(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority())
    changed = plane.done("PATCH", "/v1/authorities/town", {"group": "coast"})
    assert changed == {**authority(), "slug": "town", "group": "coast", "usage": "authority", "revision": 2} | {
        "time_zone": "Europe/Brussels"
    }


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"kind": "kingdom"}, "body.kind"),
        ({"time_zone": "Europe/Nowhere"}, "body.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "body.time_zone"),
        ({"contact": "a\nb"}, "body.contact"),
        ({"languages": ["nl", "nl"]}, "body.languages"),
        ({"languages": ["NL!"]}, "body.languages.0"),
        ({"names": {}}, "body.names"),
        ({"usage": "client"}, "body.usage"),
        ({"person": "somebody"}, "body.person"),
    ],
)
def test_a_faulty_authority_is_refused_with_the_place(plane: Plane, changes: dict[str, Any], place: str) -> None:
    response = plane.call("PUT", "/v1/authorities/town", authority(**changes))
    assert response.status_code == 422
    assert place in [fault["place"] for fault in response.json()["faults"]]
    assert plane.revision() == 0


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


@pytest.mark.parametrize(
    ("prefix", "body", "status"),
    [
        ("203.0.113.0/24", RANGE, 201),
        ("2001:db8:1::/48", RANGE, 201),
        ("192.0.2.0/24", {**RANGE, "audience": "public"}, 200),
        ("192.0.2.0/25", {**RANGE, "authority": "zone"}, 201),
        ("192.0.2.0/24", {**RANGE, "authority": "zone"}, 409),
        ("203.0.113.1/24", RANGE, 422),
        ("::ffff:203.0.113.0/120", RANGE, 422),
        ("fe80::/64", RANGE, 422),
        ("169.254.7.0/24", RANGE, 422),
        ("203.0.113.0/33", RANGE, 422),
        ("elsewhere/24", RANGE, 422),
        ("203.0.113.0/24", {"authority": "town", "funding": "public"}, 422),
        ("203.0.113.0/24", {**RANGE, "authority": "nobody"}, 422),
    ],
)
def test_registering_a_range(town: Plane, prefix: str, body: dict[str, str], status: int) -> None:
    assert town.call("PUT", f"/v1/ranges/default/{prefix}", body).status_code == status


def test_a_prefix_is_shown_in_its_normal_form(town: Plane) -> None:
    made = town.done("PUT", "/v1/ranges/default/2001:0DB8:0001:0000::/48", RANGE)
    assert made["prefix"] == "2001:db8:1::/48"
    assert town.done("GET", "/v1/ranges/default/2001:db8:1::/48") == made


def test_the_same_prefix_may_stand_at_two_sites(town: Plane) -> None:
    assert town.call("PUT", "/v1/ranges/depot/192.0.2.0/24", {**RANGE, "authority": "zone"}).status_code == 404
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    town.done("PUT", "/v1/ranges/depot/192.0.2.0/24", {**RANGE, "authority": "zone"})
    listed = town.done("GET", "/v1/ranges?site=depot")["items"]
    assert [(item["site"], item["authority"]) for item in listed] == [("depot", "zone")]
    assert town.call("DELETE", "/v1/sites/depot").status_code == 409
    assert town.call("DELETE", "/v1/sites/default").status_code == 409


def test_a_range_that_an_open_exemption_names_stays(town: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    assert town.call("DELETE", "/v1/ranges/default/192.0.2.0/24").status_code == 409
    town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "not needed"})
    assert town.call("DELETE", "/v1/ranges/default/192.0.2.0/24").status_code == 204


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
    "query", ["limit=0", "limit=201", "cursor=%%%", "cursor=MTI", "cursor=e30", "cursor=" + "a" * 500]
)
def test_a_faulty_page_is_refused(plane: Plane, query: str) -> None:
    assert plane.call("GET", f"/v1/authorities?{query}").status_code == 422
