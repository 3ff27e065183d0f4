"""People: who sees which accounts and roles, gives and ends roles, and ends one's own sessions and tokens."""

import re

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

REASON = "the desk carries out what the council decides"


def desk(plane: Plane, *roles: tuple[str, str | None]) -> tuple[int, Session]:
    """Return an account with roles, and a session of it."""
    account, token = plane.account("desk", *roles)
    return account, signed_in(plane, token)


def test_an_administrator_sees_every_account_and_role(session: Session) -> None:
    desk(session.plane, ("operator", "town"))
    shown = session.shown("/console/people")
    assert "desk</a>" in shown
    assert "the installation&#39;s administrator" in shown
    assert re.search(r"<td>operator</td><td>Stad</td><td>[^<]+ 2027</td>", shown)


def test_accounts_and_roles_of_one_authority_are_shown(session: Session) -> None:
    desk(session.plane, ("operator", "zone"))
    assert "<td>operator</td>" in session.shown("/console/people?authority=zone")
    assert "<td>operator</td>" not in session.shown("/console/people?authority=town")


def test_somebody_without_a_role_sees_only_themselves(town: Plane) -> None:
    account, session = desk(town)
    shown = session.shown("/console/people")
    assert "No role." in shown
    assert 'id="accounts"' not in shown
    assert "desk" in session.shown(f"/console/people/{account}")
    assert session.get("/console/people/1").status_code == 403


def test_a_role_is_given_through_a_day_and_ended(session: Session) -> None:
    account, held = desk(session.plane)
    fields = {"role": "operator", "authority": "town", "end": "2026-12-31", "reason": REASON}
    answer = session.send(f"/console/people/{account}/grants", **fields)
    assert answer.headers["location"] == f"/console/people/{account}?done=granted"
    assert "31 December 2026" in session.shown(f"/console/people/{account}")
    assert "town" in held.shown("/console")
    (grant,) = session.plane.done("GET", f"/v1/grants?account={account}")["items"]
    end = f"/console/people/{account}/grants/{grant['number']}/end"
    assert "operator" in session.shown(end)
    assert "reason-fault" in session.send(end, reason="").text
    assert session.send(end, reason="the desk has moved").status_code == 303
    assert "the desk has moved" in session.shown(f"/console/people/{account}")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"end": "2026-01-01"}, "end-fault"),
        ({"end": "soon"}, "end-fault"),
        ({"reason": ""}, "reason-fault"),
        ({"authority": "*"}, "authority-fault"),
    ],
)
def test_a_fault_is_next_to_its_field(fields: dict[str, str], fault: str, session: Session) -> None:
    account, _ = desk(session.plane)
    sent = {"role": "operator", "authority": "town", "reason": REASON, **fields}
    answer = session.send(f"/console/people/{account}/grants", **sent)
    assert answer.status_code == 422
    assert f'id="{fault}"' in answer.text


def test_approvers_give_roles_of_their_authority_and_operators_none(town: Plane) -> None:
    account, token = town.account("colleague", ("operator", "town"), ("reader", "zone"))
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": REASON}, token=token)
    _, approver = desk(town, ("approver", "town"), ("reader", "zone"))
    shown = approver.shown(f"/console/people/{account}")
    assert '<option value="town">' in shown
    assert '<option value="zone">' not in shown
    assert '<option value="administrator">' not in shown
    assert shown.count("/end") == 1
    operator = signed_in(town, token)
    assert "Give a role" not in operator.shown("/console/people/1")
    assert operator.send("/console/people/1/grants", role="reader", authority="town", reason=REASON).status_code == 422


def test_nobody_gives_themselves_a_role(session: Session) -> None:
    assert "Give a role" not in session.shown("/console/people/1")
    fields = {"role": "operator", "authority": "town", "reason": REASON}
    answer = session.send("/console/people/1/grants", **fields)
    assert answer.status_code == 422
    assert "you cannot grant yourself a role" in answer.text


def test_own_sessions_and_tokens_end_and_those_of_others_do_not(session: Session) -> None:
    account, other = desk(session.plane, ("reader", "town"))
    again = signed_in(session.plane)
    number = session.plane.done("GET", "/v1/accounts/1/tokens?valid=true")["items"][-1]["number"]
    assert session.send(f"/console/people/tokens/{number}/end").status_code == 303
    assert again.get("/console").status_code == 303
    theirs = session.plane.done("GET", f"/v1/accounts/{account}/tokens?valid=true")["items"][-1]["number"]
    assert session.send(f"/console/people/tokens/{theirs}/end").status_code == 404
    assert other.get("/console").status_code == 200


def test_names_of_accounts_are_shown_as_text(session: Session) -> None:
    name = "<b>desk</b>\u202e"
    with pytest.raises(AssertionError):
        session.plane.done("POST", "/v1/accounts", {"kind": "user", "login": "desk", "name": name})
    session.plane.done("POST", "/v1/accounts", {"kind": "user", "login": "desk", "name": name[:-1]})
    shown = session.shown("/console/people")
    assert "&lt;b&gt;desk&lt;/b&gt;" in shown
    assert "<b>" not in shown


def test_an_administrator_makes_a_link_for_somebody_else(session: Session) -> None:
    account, _ = session.plane.account("desk", ("operator", "town"))
    answer = session.send(f"/console/people/{account}/sign-in-link")
    found = re.search(r"<code>https://testserver(/console/sign-in/[\w-]+)</code>", answer.text)
    assert found is not None
    begun = session.plane.call("POST", found[1], headers={})
    theirs = Session(session.plane, begun.headers["set-cookie"].partition(";")[0])
    assert "<dd>" in theirs.shown("/console/people")
    assert ">desk<" in theirs.shown("/console/people")


def test_others_make_no_link_for_anybody(town: Plane) -> None:
    account, operator = desk(town, ("approver", "town"))
    assert "Make a link" not in operator.shown(f"/console/people/{account}")
    assert operator.send("/console/people/1/sign-in-link").status_code == 403
