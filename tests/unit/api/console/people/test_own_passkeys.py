"""Passkeys: added in a session, used to sign in and to confirm, and worthless once removed."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from api.auth.passkeys import CHALLENGE_S, MAX_PASSKEYS
from api.auth.sessions import IDLE_S, LONGEST_S, PROOF_S
from api.db.models import PasskeyRow
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.console.people.device import PRESENT, Device

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ADDED = "/console/people?done=passkey_added"


def options(session: Session, purpose: str) -> Any:
    """Return what a browser gets in order to use a passkey."""
    return session.get(f"/console/passkeys/options/{purpose}").json()


def adding(session: Session, device: Device) -> Any:
    """Return the answer to the form that adds the passkey of a device."""
    made = device.made(options(session, "register"))
    return session.send("/console/people/passkeys", label="my phone", credential=made)


def with_passkey(session: Session, **kind: Any) -> Device:
    """Return a device with a passkey of the session's account."""
    device = Device(**kind)
    assert adding(session, device).headers["location"] == ADDED
    return device


def sign_in(plane: Plane, device: Device, challenge: Any = None, **headers: str) -> Any:
    """Return the answer to a passkey that signs in."""
    asked = challenge or plane.call("GET", "/console/passkeys/options/sign-in", headers={}).json()
    data = {"proof": device.signed(asked)}
    return plane.call("POST", "/console/passkeys/sign-in", headers={**FORM, **headers}, content=_form(data))


def begun(plane: Plane, device: Device) -> Session:
    """Return the session that a passkey begins."""
    answer = sign_in(plane, device)
    assert answer.status_code == 303, answer.text
    return Session(plane, answer.headers["set-cookie"].partition(";")[0])


def _form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()


def test_a_passkey_signs_in_without_a_link(session: Session) -> None:
    device = with_passkey(session)
    assert "my phone" in session.shown("/console/people")
    session.send("/console/sign-out")
    again = begun(session.plane, device)
    assert "my phone" in again.shown("/console/people")
    acts = [each["act"] for each in session.plane.done("GET", "/v1/audit")["items"]]
    assert acts[:4] == ["session.begin", "session.end", "passkey.add", "session.begin"]


def test_a_signature_is_good_once_and_for_ten_minutes(session: Session) -> None:
    plane, device = session.plane, with_passkey(session)
    asked = plane.call("GET", "/console/passkeys/options/sign-in", headers={}).json()
    assert sign_in(plane, device, asked).status_code == 303
    assert sign_in(plane, device, asked).status_code == 401
    late = plane.call("GET", "/console/passkeys/options/sign-in", headers={}).json()
    plane.clock.now += CHALLENGE_S
    assert sign_in(plane, device, late).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://example.org"},
        {"origin": "http://testserver"},
        {"origin": "https://testserver.example.org"},
        {"flags": PRESENT},
        {"credential": b"another"},
        {"key": Device().key},
        {"uses": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_signature_that_is_not_as_it_should_be_signs_nobody_in(wrong: dict[str, Any], session: Session) -> None:
    device = with_passkey(session, uses=5)
    refused = sign_in(session.plane, replace(device, **wrong))
    assert refused.status_code == 401
    assert "The passkey was not accepted" in refused.text
    assert "set-cookie" not in refused.headers
    assert sign_in(session.plane, device).status_code == 303


@pytest.mark.parametrize("sent", ["", "null", "[]", "{}", '{"id": 1}', "x" * 30_000])
def test_what_is_no_answer_of_a_browser_is_refused(sent: str, session: Session) -> None:
    answer = session.plane.call("POST", "/console/passkeys/sign-in", headers=FORM, content=_form({"proof": sent}))
    assert answer.status_code == 401
    added = session.send("/console/people/passkeys", label="my phone", credential=sent)
    assert (added.status_code, "The passkey was not added" in added.text) == (422, True)


def test_a_challenge_is_for_one_purpose_and_one_session(session: Session) -> None:
    device = with_passkey(session)
    assert sign_in(session.plane, device, options(session, "confirm")).status_code == 401
    other = signed_in(session.plane)
    session.plane.clock.now += PROOF_S
    fields = {"authority": "*", "reason": "a test of all", "proof": device.signed(options(other, "confirm"))}
    assert "Confirm that it is you" in session.send("/console/suspend", **fields).text


def test_another_site_signs_nobody_in(session: Session) -> None:
    device = with_passkey(session)
    assert sign_in(session.plane, device, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    link = session.plane.done("POST", "/v1/self/sign-in-links")["path"]
    assert session.plane.call("POST", link, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_row_that_was_written_past_the_program_signs_nobody_in(session: Session) -> None:
    other, _ = session.plane.account("desk")
    device = with_passkey(session)
    with session.plane.database.writing() as database:
        database.execute(update(PasskeyRow).values(account=other))
    assert sign_in(session.plane, device).status_code == 401


def test_a_session_of_a_passkey_ends_as_others_do_and_outlives_the_one_that_added_it(session: Session) -> None:
    clock, device = session.plane.clock, with_passkey(session)
    again = begun(session.plane, device)
    session.send("/console/sign-out")
    end = clock.now + LONGEST_S
    while clock.now + IDLE_S // 2 < end:
        clock.now += IDLE_S // 2
        assert again.get("/console").status_code == 200
    clock.now = end
    assert again.get("/console").status_code == 303
    assert begun(session.plane, device).get("/console").status_code == 200


def test_a_removed_passkey_and_its_sessions_are_worthless(session: Session) -> None:
    device, kept = with_passkey(session), with_passkey(session)
    theirs, own = begun(session.plane, device), begun(session.plane, kept)
    number = session.plane.done("GET", "/v1/accounts/1/passkeys")["items"][0]["number"]
    assert own.send(f"/console/people/passkeys/{number}/remove").status_code == 303
    assert theirs.get("/console").status_code == 303
    assert sign_in(session.plane, device).status_code == 401
    assert own.get("/console").status_code == 200
    assert own.send(f"/console/people/passkeys/{number + 1}/remove").status_code == 303
    assert own.get("/console").status_code == 200, "the session that removes its own passkey goes on"


@pytest.mark.parametrize("end", ["revoke", "erase", "disable"])
def test_a_passkey_ends_with_the_token_that_began_it_and_with_its_account(end: str, town: Plane) -> None:
    account, token = town.account("desk", ("operator", "town"))
    session = signed_in(town, token)
    device = with_passkey(session)
    again = begun(town, device)
    number = town.done("GET", "/v1/self", token=token)["token"]["number"]
    ends = {
        "revoke": ("DELETE", f"/v1/accounts/{account}/tokens/{number}"),
        "erase": ("DELETE", f"/v1/accounts/{account}/name"),
        "disable": ("POST", f"/v1/accounts/{account}/disable"),
    }
    town.done(*ends[end])
    assert again.get("/console").status_code == 303
    assert sign_in(town, device).status_code == 401
    left = town.done("GET", f"/v1/accounts/{account}/passkeys")["items"]
    assert len(left) == (1 if end == "disable" else 0)


def test_a_passkey_keeps_the_lineage_of_its_session(town: Plane) -> None:
    """An administrator who made somebody's link does not count as an independent person for them, ever."""
    account, _ = town.account("desk", ("approver", "town"))
    maker = town.other()
    link = town.done("POST", f"/v1/accounts/{account}/sign-in-links", token=maker)["path"]
    answer = town.call("POST", link, headers={})
    session = Session(town, answer.headers["set-cookie"].partition(";")[0])
    again = begun(town, with_passkey(session))
    path = f"/console/people/{town.done('GET', '/v1/self', token=maker)['account']['number']}/grants"
    refused = again.send(path, role="reader", authority="town", reason="for the one who made it")
    assert refused.status_code == 403
    assert town.done("GET", "/v1/grants?authority=town")["next"] is None


def test_a_narrowed_session_adds_no_passkey(town: Plane) -> None:
    account, token = town.account("desk", ("operator", "town"))
    made = {"label": "narrow", "for": "30 days", "roles": ["operator"]}
    narrow = town.done("POST", f"/v1/accounts/{account}/tokens", made, token=token)["token"]
    refused = adding(signed_in(town, narrow), Device())
    assert refused.status_code == 422
    assert "narrowed" in refused.text


def test_an_account_has_few_passkeys_and_each_once(session: Session) -> None:
    device = with_passkey(session)
    assert "added before" in adding(session, device).text
    for _ in range(MAX_PASSKEYS - 1):
        with_passkey(session)
    assert f"You have {MAX_PASSKEYS} passkeys" in adding(session, Device()).text


def test_a_passkey_needs_a_name(session: Session) -> None:
    made = Device().made(options(session, "register"))
    answer = session.send("/console/people/passkeys", label="", credential=made)
    assert (answer.status_code, 'id="label-fault"' in answer.text) == (422, True)


def test_only_the_account_and_administrators_see_and_remove_passkeys(town: Plane) -> None:
    account, token = town.account("desk", ("operator", "town"))
    with_passkey(signed_in(town, token))
    _, other = town.account("other", ("approver", "town"))
    path = f"/v1/accounts/{account}/passkeys"
    assert town.call("GET", path, token=other).status_code == 403
    (shown,) = town.done("GET", path, token=token)["items"]
    assert (shown["label"], shown["last_used"]) == ("my phone", None)
    assert town.call("DELETE", f"{path}/{shown['number']}", token=other).status_code == 403
    assert town.call("DELETE", f"/v1/accounts/1/passkeys/{shown['number']}").status_code == 404
    assert town.call("DELETE", f"{path}/{shown['number']}").status_code == 204
