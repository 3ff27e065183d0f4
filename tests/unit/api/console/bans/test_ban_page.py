"""A ban's page: its state in words, the switch with its consequences, and what waits for a colleague."""

import pytest

from tests.unit.api.conftest import START, Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

PAGE = "/console/bans/town/alpha"
SWITCH = f"{PAGE}/switch"
API = "/v1/authorities/town/bans/alpha"
REASON = "the museum shows films"
HOSTILE = "<script>alert(1)</script>\u202egnp"


def operator(town: Plane) -> Session:
    """Return a session of an operator of the town."""
    _, token = town.account("desk", ("operator", "town"))
    return signed_in(town, token)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": "enforce"}, "<strong>Refused."),
        ({"mode": "monitor"}, "Monitored: answered and counted, not refused."),
        ({"mode": "off"}, "The ban is off until somebody switches it on."),
        ({"mode": "off", "for": "2h"}, "The ban is off until 21 September 2026, 18:13"),
    ],
)
def test_the_state_is_said_in_words(session: Session, change: dict[str, str], said: str) -> None:
    session.plane.done("PATCH", API, change)
    assert said in session.shown(PAGE)


def test_planned_suspended_and_ended_bans_say_so(session: Session) -> None:
    plane = session.plane
    plane.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"start": "2026-10-01", "for": "6 months"}]))
    page = session.shown("/console/bans/town/beta")
    assert "The ban begins on 1 October 2026." in page
    assert "It takes effect when the ban begins." in page
    plane.done("POST", "/v1/suspensions", {"authority": "town", "for": "1h", "reason": REASON})
    assert "Answered, because a suspension is in force." in session.shown(PAGE)
    plane.done("POST", f"{API}/end", {"reason": REASON})
    plane.clock.now += 2
    page = session.shown(PAGE)
    assert "Answered. The ban has ended." in page
    assert SWITCH not in page


def test_a_ban_is_switched_off_until_a_time_and_refuses_again(session: Session) -> None:
    fields = {"mode": "off", "until": "2026-09-21T18:00", "mode_reason": REASON}
    answer = session.send(SWITCH, **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=switched-off")
    found = session.plane.done("GET", API)
    assert (found["mode"], found["off_until"], found["mode_reason"]) == ("off", "2026-09-21T16:00:00Z", REASON)
    page = session.shown(f"{PAGE}?done=switched-off")
    assert "The ban is off." in page
    assert REASON in page
    answer = session.send(SWITCH, mode="enforce")
    assert answer.headers["location"] == f"{PAGE}?done=refusing-again"
    assert session.plane.done("GET", API)["mode"] == "enforce"


@pytest.mark.parametrize(
    ("fields", "off_until"),
    [
        ({"until": "other", "at": "2026-09-22T09:30"}, "2026-09-22T07:30:00Z"),
        ({"until": "open", "at": "2026-09-22T09:30"}, None),
    ],
)
def test_another_end_and_no_end_are_choices(session: Session, fields: dict[str, str], off_until: str | None) -> None:
    assert session.send(SWITCH, mode="off", **fields).status_code == 303
    found = session.plane.done("GET", API)
    assert (found["mode"], found["off_until"]) == ("off", off_until)


def test_this_evening_is_offered_until_it_has_come(session: Session) -> None:
    assert 'value="2026-09-21T18:00"' in session.shown(PAGE)
    session.plane.clock.now = START + 3 * 3600
    page = signed_in(session.plane).shown(PAGE)
    assert 'value="2026-09-21T18:00"' not in page
    assert 'value="2026-09-22T08:00"' in page


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"mode": "off"}, "until"),
        ({"mode": "off", "until": "other", "at": ""}, "until"),
        ({"mode": "off", "until": "2026-09-20T18:00"}, "until"),
        ({"mode": "off", "until": "open", "mode_reason": "x"}, "mode_reason"),
    ],
)
def test_a_fault_is_next_to_its_field_and_nothing_changes(session: Session, fields: dict[str, str], fault: str) -> None:
    answer = session.send(SWITCH, **fields)
    assert answer.status_code == 422
    assert f'id="{fault}-fault"' in answer.text
    assert session.plane.done("GET", API)["mode"] == "enforce"


def test_a_ban_can_only_count(session: Session) -> None:
    assert session.send(SWITCH, mode="monitor").headers["location"] == f"{PAGE}?done=monitoring"
    page = session.shown(PAGE)
    assert "monitored, not refused" in page
    assert "Refuse it now" in page


def test_a_colleague_must_approve_where_the_authority_wants_it(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    desk = operator(town)
    assert "A colleague must approve this before it takes effect." in desk.shown(PAGE)
    answer = desk.send(SWITCH, mode="off", until="open", mode_reason=REASON)
    assert answer.headers["location"] == f"{PAGE}?done=waiting"
    page = desk.shown(f"{PAGE}?done=waiting")
    assert "It takes effect when a colleague approves it." in page
    assert 'href="/console/requests/1"' in page
    assert town.done("GET", API)["mode"] == "enforce"
    assert "A colleague must approve" not in signed_in(town).shown(PAGE)


def test_what_the_switch_concerns_is_said_before_it(session: Session) -> None:
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 1", "date": "2026-09-01"}
    session.plane.done("POST", "/v1/bindings", law)
    page = session.shown(PAGE)
    for said in (
        "It concerns 1 network of this authority.",
        "It also concerns 1 other authority, which the ban binds.",
        "It concerns 1 network there.",
        "A filter on the machine of this console applies the change all the same.",
        "It takes effect at once.",
        "Stad is bound by law: act 1",
    ):
        assert said in page


def test_readers_and_others_see_the_ban_without_its_switch(town: Plane) -> None:
    for slug in ("town", "zone"):
        _, token = town.account(slug, ("reader", slug))
        visitor = signed_in(town, token)
        assert "<strong>Refused." in visitor.shown(PAGE)
        assert SWITCH not in visitor.shown(PAGE)
        assert visitor.send(SWITCH, mode="off", until="open").status_code == 422
    assert town.done("GET", API)["mode"] == "enforce"


def test_texts_of_others_stay_text(session: Session) -> None:
    session.plane.done("PATCH", API, {"mode": "off", "mode_reason": HOSTILE.replace("\u202e", "")})
    answer = session.send(SWITCH, mode="off", until=HOSTILE, mode_reason=HOSTILE)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text
    assert "<script>alert" not in session.shown(PAGE)


def test_a_ban_that_does_not_exist_is_no_page(session: Session) -> None:
    assert session.get("/console/bans/town/beta").status_code == 404
