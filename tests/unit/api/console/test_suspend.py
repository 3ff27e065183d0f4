"""Suspensions in the console: who may start and end one, and what every page shows meanwhile."""

import pytest

from tests.unit.api.conftest import Plane, authority
from tests.unit.api.console.conftest import Session, signed_in

REASON = "the library app does not work"


def test_a_suspension_is_started_shown_on_every_page_and_ended(session: Session) -> None:
    assert session.send("/console/suspend", authority="town", reason=REASON, **{"for": "1h"}).status_code == 303
    assert REASON in session.shown("/console")
    number = session.plane.done("GET", "/v1/suspensions")["items"][0]["number"]
    answer = session.send(f"/console/suspend/{number}/end", ended_reason="the app works again")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/suspend?done=refusing")
    assert REASON not in session.shown("/console")
    assert REASON in session.shown("/console/suspend")


def test_all_authorities_are_a_choice_of_administrators_only(session: Session) -> None:
    assert "All authorities" in session.shown("/console/suspend")
    _, token = session.plane.account("desk", ("operator", "town"))
    operator = signed_in(session.plane, token)
    assert "All authorities" not in operator.shown("/console/suspend")
    refused = operator.send("/console/suspend", authority="*", reason=REASON)
    assert refused.status_code == 422
    assert "it concerns all authorities" in refused.text
    assert session.plane.done("GET", "/v1/suspensions")["items"] == []


def test_a_fault_is_next_to_its_field_and_what_was_typed_is_kept(session: Session) -> None:
    answer = session.send("/console/suspend", authority="town", reason="n", **{"for": "2h"})
    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text
    assert 'value="n"' in answer.text
    assert 'value="2h" checked' in answer.text


def test_a_reader_may_not_suspend(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    refused = signed_in(town, token).send("/console/suspend", authority="town", reason=REASON)
    assert refused.status_code == 422
    assert "operator" in refused.text
    assert town.done("GET", "/v1/suspensions")["items"] == []


@pytest.mark.parametrize(
    ("slug", "end"), [("town", "21 September 2026, 16:43"), ("isle", "21 September 2026, 14:43"), (None, "16:43")]
)
def test_every_page_counts_down_to_the_end_in_the_zone_of_the_authority(
    session: Session, slug: str | None, end: str
) -> None:
    session.plane.done("PUT", "/v1/authorities/isle", authority(time_zone="Atlantic/Azores"))
    assert "/console/suspended" not in session.shown("/console/nodes")
    session.plane.done("POST", "/v1/suspensions", {"authority": slug, "for": "30m", "reason": REASON})
    page = session.shown("/console/nodes")
    assert f"{end}." in page
    assert "It ends by itself in 30 minutes." in page
    session.plane.clock.now += 29 * 60 + 1
    part = session.shown("/console/suspended")
    assert part.lstrip().startswith('<div id="suspended" hx-get="/console/suspended"')
    assert "It ends by itself in 1 minute." in part
    session.plane.clock.now += 60
    assert session.shown("/console/suspended").split() == ["<div", 'id="suspended">', "</div>"]


def test_no_authority_of_several_is_chosen_beforehand(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/isle", authority())
    for path in ("/console/suspend", "/console/networks/new", "/console/adopt", "/console/reports"):
        asked = session.shown(path).partition('<select id="authority"')[2].partition("</select>")[0]
        assert '<option value="">Choose…</option>' in asked, path
        assert " selected" not in asked, path
    assert '<option value="isle" selected>' in session.shown("/console/networks/new?authority=isle")
    assert session.send("/console/suspend", authority="", reason=REASON).status_code == 422
    _, token = session.plane.account("desk", ("operator", "town"))
    assert "Choose…" not in signed_in(session.plane, token).shown("/console/suspend")
