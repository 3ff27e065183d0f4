"""Exemptions in the console: asked for, decided by another person, revoked, withdrawn and listed."""

import re
from html import unescape
from typing import Any

import pytest

from api.console.exemptions import exemption_form
from tests.unit.api.conftest import START, Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

REASON = "promotion of the town"
HOSTILE = "<script>alert(1)</script> & 'quoted'"
ASK = "/console/exemptions/ask"


def person(session: Session, login: str, *roles: str) -> Session:
    """Return the session of an account with roles in the town."""
    _, token = session.plane.account(login, *((role, "town") for role in roles))
    return signed_in(session.plane, token)


def fields(**changes: str | list[str]) -> dict[str, Any]:
    """Return the fields of a valid request."""
    asked = {"authority": "town", "ban": "town/alpha", "ranges": ["default/192.0.2.0/24"], "reason": REASON}
    return {**asked, "until_day": "2026-10-01", **changes}


def asked(plane: Plane, **changes: Any) -> int:
    """Ask for an exemption by the API. Return its number."""
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "2 days", "reason": REASON, **changes}
    return int(plane.done("POST", "/v1/exemptions", body)["number"])


def state(plane: Plane, number: int) -> str:
    return str(plane.done("GET", f"/v1/exemptions/{number}")["state"])


def test_an_operator_asks_for_an_exemption_with_hours(session: Session) -> None:
    operator = person(session, "desk", "operator")
    shown = operator.shown(f"{ASK}?authority=town&ban=town/alpha&ranges=default/192.0.2.0/24")
    assert 'value="default/192.0.2.0/24" checked' in shown
    hours = {f"{side}-{day}": at for day in (0, 1, 2) for side, at in (("from", "09:00"), ("to", "12:00"))}
    answer = operator.send(ASK, **fields(start_day="2026-09-28", hours="Sat 10:00-11:00", **hours))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/exemptions/1?done=asked")
    made = session.plane.done("GET", "/v1/exemptions/1")
    assert made["hours"] == ["Mon-Wed 09:00-12:00", "Sat 10:00-11:00"]
    assert (made["start"], made["through"]) == ("2026-09-27T22:00:00Z", "2026-10-01")
    shown = operator.shown("/console/exemptions/1")
    assert "Mon–Wed 09:00–12:00; Sat 10:00–11:00" in shown
    assert "You asked for this exemption, so you cannot approve it." in unescape(shown)
    assert "/exemptions/1/approve" not in shown
    assert shown.count("not on this day") == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": "n"}, "reason"),
        ({"until_day": ""}, "until_day"),
        ({"until_day": "2020-01-01"}, "until_day"),
        ({"start_day": "soon"}, "start_day"),
        ({"ranges": []}, "ranges"),
        ({"ranges": [], "typed": "198.51.100.0/25"}, "ranges"),
        ({"ranges": ["default/192.0.2.0/24", "annex/192.0.2.0/24"]}, "ranges"),
        ({"from-0": "09:00"}, "hours"),
        ({"hours": "always"}, "hours"),
        ({"ban": "town/unknown"}, "ban"),
    ],
)
def test_a_fault_is_next_to_its_field_and_what_was_typed_is_kept(
    session: Session, changes: dict[str, Any], field: str
) -> None:
    answer = session.send(ASK, **fields(**changes))
    assert answer.status_code in (404, 422), answer.headers
    assert f'id="{field}-fault"' in answer.text
    assert f'href="#{field}"' in answer.text
    assert 'value="2026-10-01"' in answer.text or "until_day" in changes
    assert session.plane.done("GET", "/v1/exemptions")["items"] == []


def test_an_exemption_is_approved_by_another_person_holds_and_lapses(session: Session) -> None:
    operator, approver = person(session, "desk", "operator", "approver"), person(session, "chief", "approver")
    administrator = signed_in(session.plane, session.plane.other())
    operator.send(ASK, **fields(until_day="2026-09-21", until_time="16:30"))
    refused = operator.send("/console/exemptions/1/approve")
    assert (refused.status_code, "you cannot approve your own request" in refused.text) == (422, True)
    assert state(session.plane, 1) == "requested"
    assert REASON in approver.shown("/console/exemptions")
    refused = approver.send("/console/exemptions/1/approve")
    assert "Ask an administrator to approve it." in refused.text
    done = administrator.send("/console/exemptions/1/approve", note="for the fair")
    assert done.headers["location"] == "/console/exemptions/1?done=exemption-approved"
    shown = operator.shown("/console/exemptions/1")
    assert "It applies now." in shown
    assert "for the fair" in shown
    session.plane.clock.now = START + 1200
    assert "It applies now." not in operator.shown("/console/exemptions/1")
    assert REASON not in operator.shown("/console/exemptions")
    assert REASON in operator.shown("/console/exemptions?state=lapsed")


@pytest.mark.parametrize(
    ("approved", "act", "after"),
    [(False, "reject", "rejected"), (True, "revoke", "revoked"), (False, "withdraw", "revoked")],
)
def test_each_act_needs_its_reason_and_is_kept_with_it(session: Session, approved: bool, act: str, after: str) -> None:
    number = asked(session.plane)
    if approved:
        session.plane.done("POST", f"/v1/exemptions/{number}/approve", token=session.plane.other())
    path, field = f"/console/exemptions/{number}/{act}", f"{act}_reason"
    assert f'action="{path}"' in session.shown(f"/console/exemptions/{number}")
    refused = session.send(path, **{field: "n"})
    assert (refused.status_code, f'id="{field}-fault"' in refused.text) == (422, True)
    assert session.send(path, **{field: "not needed any more"}).status_code == 303
    assert state(session.plane, number) == after
    assert "not needed any more" in session.shown(f"/console/exemptions/{number}")
    assert f'action="{path}"' not in session.shown(f"/console/exemptions/{number}")


def test_a_reader_sees_exemptions_and_may_decide_nothing(session: Session) -> None:
    number, reader = asked(session.plane), person(session, "reader", "reader")
    shown = reader.shown(f"/console/exemptions/{number}")
    assert "An approver of Stad decides." in shown
    assert f"/console/exemptions/{number}/" not in shown
    refused = reader.send(f"/console/exemptions/{number}/reject", reject_reason=REASON)
    assert (refused.status_code, state(session.plane, number)) == (422, "requested")
    assert "You need the role operator" in reader.shown(ASK)


def test_an_exemption_that_does_not_exist_or_concerns_others_is_a_clear_page(session: Session) -> None:
    number = asked(session.plane)
    assert session.get("/console/exemptions/99").status_code == 404
    _, token = session.plane.account("other", ("operator", "zone"))
    other = signed_in(session.plane, token)
    assert other.get(f"/console/exemptions/{number}").status_code in (403, 404)
    assert REASON not in other.shown("/console/exemptions")


def test_long_lists_are_paged(session: Session) -> None:
    for number in range(52):
        asked(session.plane, reason=f"reason number {number}.")
    first = session.shown("/console/exemptions")
    assert first.count("reason number ") == 20
    assert "state=requested" in first
    page = session.shown("/console/exemptions?state=requested")
    assert page.count("reason number ") == 50
    following = page.split("cursor=")[1].partition('"')[0]
    assert session.shown(f"/console/exemptions?state=requested&cursor={following}").count("reason number ") == 2


def test_hostile_texts_are_shown_as_text(session: Session) -> None:
    number = asked(session.plane, reason=HOSTILE)
    for path in ("/console/exemptions", f"/console/exemptions/{number}"):
        shown = session.shown(path)
        assert HOSTILE not in shown
        assert HOSTILE in unescape(shown)
    answer = session.send(ASK, **fields(reason="\u202etext \x1b[2J"))
    assert answer.status_code == 422
    assert ("\u202e" in answer.text, "\x1b" in answer.text) == (False, False)


def test_a_ban_of_many_is_typed_with_suggestions(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert '<select id="ban"' in session.shown(f"{ASK}?authority=town")
    session.plane.done("PUT", "/v1/authorities/town/bans/beta", ban())
    monkeypatch.setattr(exemption_form, "MAX_LIMIT", 1)
    page = session.shown(f"{ASK}?authority=town&ban=town/beta")
    assert re.search(r'<input type="text" id="ban" name="ban" value="town/beta" list="ban-known"', page)
    assert '<option value="town/alpha">' in page
