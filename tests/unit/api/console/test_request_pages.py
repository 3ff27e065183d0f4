"""Requests in the console: acts that wait for a second person are shown in words, and decided by somebody else."""

from html import unescape

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

ALPHA = "/v1/authorities/town/bans/alpha"
REASON = "the fair needs it <b>today</b>"


def person(plane: Plane, login: str, *roles: str) -> tuple[Session, str]:
    """Return the session and the token of an account with roles in the town."""
    _, token = plane.account(login, *((role, "town") for role in roles))
    return signed_in(plane, token), token


@pytest.fixture
def operator(session: Session) -> Session:
    """Return an operator, also an approver, whose request to switch a ban off waits."""
    plane = session.plane
    plane.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    found, token = person(plane, "desk", "operator", "approver")
    body = {"mode": "off", "mode_reason": REASON, "until": "2026-09-21T18:00:00+02:00"}
    assert plane.call("PATCH", ALPHA, body, token=token).status_code == 202
    return found


def test_a_request_says_in_words_what_would_change_and_who_asked(operator: Session) -> None:
    listed = unescape(operator.shown("/console/requests"))
    assert "Switch the ban alpha off until 21 September 2026, 18:00" in listed
    shown = operator.shown("/console/requests/1")
    for text in ("desk", REASON, "staff, public money", "alpha"):
        assert text in unescape(shown)
    assert REASON not in shown


def test_own_requests_cannot_be_approved_and_the_page_says_so_before(operator: Session) -> None:
    shown = operator.shown("/console/requests/1")
    assert "You asked for this, so you cannot approve it." in unescape(shown)
    assert "/console/requests/1/approve" not in shown
    refused = operator.send("/console/requests/1/approve")
    assert (refused.status_code, "you cannot approve your own request" in refused.text) == (422, True)
    assert operator.plane.done("GET", ALPHA)["mode"] == "enforce"


def test_a_colleague_approves_and_the_act_is_done(operator: Session) -> None:
    colleague, _ = person(operator.plane, "chief", "approver")
    assert 'action="/console/requests/1/approve"' in colleague.shown("/console/requests/1")
    done = colleague.send("/console/requests/1/approve", note="agreed")
    assert done.headers["location"] == "/console/requests/1?done=request-approved"
    assert operator.plane.done("GET", ALPHA)["mode"] == "off"
    shown = operator.shown("/console/requests/1")
    assert "agreed" in shown
    assert "/console/requests/1/" not in shown
    assert "/console/requests/1" in operator.shown("/console/requests?state=approved")


@pytest.mark.parametrize("act", ["reject", "withdraw"])
def test_a_request_is_rejected_or_withdrawn_with_a_reason(operator: Session, act: str) -> None:
    someone = operator if act == "withdraw" else person(operator.plane, "chief", "approver")[0]
    field = f"{act}_reason"
    refused = someone.send(f"/console/requests/1/{act}", **{field: "n"})
    assert (refused.status_code, f'id="{field}-fault"' in refused.text) == (422, True)
    assert someone.send(f"/console/requests/1/{act}", **{field: "the fair is over"}).status_code == 303
    assert "the fair is over" in someone.shown("/console/requests/1")
    assert operator.plane.done("GET", ALPHA)["mode"] == "enforce"


def test_a_reader_sees_requests_and_may_decide_nothing(operator: Session) -> None:
    reader, _ = person(operator.plane, "reader", "reader")
    shown = reader.shown("/console/requests/1")
    assert "An approver of Stad decides." in shown
    assert "/console/requests/1/" not in shown
    assert reader.send("/console/requests/1/reject", reject_reason="no need").status_code == 422


def test_other_acts_that_wait_are_said_too(operator: Session) -> None:
    operator.plane.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    _, token = person(operator.plane, "helper", "operator")
    body = {"audience": "public", "funding": "public"}
    assert operator.plane.call("PATCH", "/v1/ranges/default/192.0.2.0/24", body, token=token).status_code == 202
    shown = operator.shown("/console/requests/2")
    assert "network changed: range/default/192.0.2.0/24" in shown
    assert "Field by field" in shown
    assert "audience" in shown


def test_nothing_waits_and_unknown_requests_are_clear_pages(session: Session) -> None:
    assert "None." in session.shown("/console/requests")
    assert session.get("/console/requests/9").status_code == 404
    assert session.get("/console/requests?state=unknown").status_code == 422
