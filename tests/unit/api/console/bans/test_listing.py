"""The list of bans: whose, which state, and pages."""

import pytest

from api.console.bans import listing
from tests.unit.api.conftest import Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

LINK = 'href="/console/bans/{}/alpha"'


def test_bans_of_all_authorities_are_listed_for_a_role_in_the_installation(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    page = session.shown("/console/bans")
    assert LINK.format("town") in page
    assert LINK.format("zone") in page
    page = session.shown("/console/bans?authority=zone")
    assert LINK.format("town") not in page
    assert LINK.format("zone") in page


def test_an_operator_sees_the_bans_of_the_own_authorities(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    for roles, others in ((["town"], False), (["town", "zone"], True)):
        _, token = town.account(f"desk-{len(roles)}", *(("operator", slug) for slug in roles))
        page = signed_in(town, token).shown("/console/bans")
        assert LINK.format("town") in page
        assert (LINK.format("zone") in page) is others


def test_bans_are_filtered_by_their_state(session: Session) -> None:
    session.plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    assert LINK.format("town") in session.shown("/console/bans?state=off")
    assert "No ban." in session.shown("/console/bans?state=in_force")
    assert session.get("/console/bans?state=maybe").status_code == 422


def test_a_long_list_has_pages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PER_PAGE", 1)
    session.plane.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    first = session.shown("/console/bans")
    assert LINK.format("town") in first
    assert LINK.format("zone") not in first
    following = first.partition("cursor=")[2].partition('"')[0]
    assert LINK.format("zone") in session.shown(f"/console/bans?cursor={following}")
