"""Sensitive acts ask again who it is, and then do what was asked."""

from typing import Any

import pytest

from api.application import routes
from api.auth.sessions import PROOF_S
from api.console.frame.sensitive_acts import SENSITIVE
from api.http.routes import Route
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.console.people.device import Device
from tests.unit.api.console.people.test_own_passkeys import begun, options, with_passkey

ALL = {"authority": "*", "reason": "nothing works any more", "for": "1h"}


def suspended(session: Session) -> Any:
    """Return the suspensions that were started."""
    return session.plane.done("GET", "/v1/suspensions")["items"]


def test_the_operations_exist() -> None:
    assert {route.operation_id for route in routes() if isinstance(route, Route)} >= SENSITIVE.keys()


def test_a_session_that_has_just_begun_is_not_asked(session: Session) -> None:
    session.plane.clock.now += PROOF_S - 1
    assert session.send("/console/suspend", **ALL).status_code == 303


def test_what_concerns_one_authority_is_not_asked(session: Session) -> None:
    session.plane.clock.now += PROOF_S
    assert session.send("/console/suspend", **{**ALL, "authority": "town"}).status_code == 303


def test_without_a_passkey_an_older_session_is_sent_to_the_sign_in(session: Session) -> None:
    session.plane.clock.now += PROOF_S
    shown = session.send("/console/suspend", **ALL).text
    assert "sign in again with a link" in shown
    assert "data-passkey" not in shown
    assert suspended(session) == []


def test_a_passkey_confirms_and_the_form_is_carried_on_with(session: Session) -> None:
    device = with_passkey(session)
    session.plane.clock.now += PROOF_S
    shown = session.send("/console/suspend", **ALL).text
    assert 'action="/console/suspend"' in shown
    assert all(f'name="{name}" value="{value}"' in shown for name, value in ALL.items())
    assert suspended(session) == []
    proof = device.signed(options(session, "confirm"))
    assert session.send("/console/suspend", **ALL, proof=proof).status_code == 303
    (started,) = suspended(session)
    assert started["reason"] == ALL["reason"]
    session.plane.clock.now += PROOF_S - 1
    assert session.send("/console/people/passkeys/1/remove").status_code == 303


@pytest.mark.parametrize("kind", ["another account's", "unknown", "empty"])
def test_a_wrong_passkey_confirms_nothing(kind: str, session: Session) -> None:
    with_passkey(session)
    theirs = Device()
    if kind == "another account's":
        _, token = session.plane.account("desk", ("operator", "town"))
        theirs = with_passkey(signed_in(session.plane, token))
    session.plane.clock.now += PROOF_S
    proof = "" if kind == "empty" else theirs.signed(options(session, "confirm"))
    shown = session.send("/console/suspend", **ALL, proof=proof).text
    assert "The passkey was not accepted" in shown
    assert 'name="reason"' in shown
    assert suspended(session) == []


def test_adding_a_passkey_is_asked_too(session: Session) -> None:
    session.plane.clock.now += PROOF_S
    made = Device().made(options(session, "register"))
    answer = session.send("/console/people/passkeys", label="my phone", credential=made)
    assert "Confirm that it is you" in answer.text
    assert session.plane.done("GET", "/v1/accounts/1/passkeys")["items"] == []


def test_signing_in_with_a_passkey_confirms(session: Session) -> None:
    device = with_passkey(session)
    session.plane.clock.now += PROOF_S
    assert begun(session.plane, device).send("/console/suspend", **ALL).status_code == 303
