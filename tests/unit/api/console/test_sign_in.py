"""Sessions of the console: how they begin, what they allow, and when they end."""

import pytest

from api.auth.sessions import COOKIE, IDLE_S, LINK_S, LONGEST_S, MAX_SESSIONS
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in


def test_a_link_works_once(plane: Plane) -> None:
    link = plane.done("POST", "/v1/self/sign-in-links")["path"]
    assert plane.call("GET", link, headers={}).status_code == 200
    assert plane.call("POST", link, headers={}).status_code == 303
    again = plane.call("POST", link, headers={})
    assert again.status_code == 401
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize(("after_s", "status"), [(LINK_S - 1, 303), (LINK_S, 401)])
def test_a_link_ends_after_ten_minutes(after_s: int, status: int, plane: Plane) -> None:
    link = plane.done("POST", "/v1/self/sign-in-links")["path"]
    plane.clock.now += after_s
    assert plane.call("POST", link, headers={}).status_code == status


def test_a_link_of_a_revoked_token_begins_no_session(plane: Plane) -> None:
    number, token = plane.account("desk", ("auditor", None))
    link = plane.done("POST", "/v1/self/sign-in-links", token=token)["path"]
    held = plane.done("GET", "/v1/self", token=token)["token"]["number"]
    plane.done("DELETE", f"/v1/accounts/{number}/tokens/{held}")
    assert plane.call("POST", link, headers={}).status_code == 401


def test_the_cookie_is_for_this_host_and_no_script(plane: Plane) -> None:
    link = plane.done("POST", "/v1/self/sign-in-links")["path"]
    given = plane.call("POST", link, headers={}).headers["set-cookie"]
    assert given.startswith(f"{COOKIE}=dnsf_")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(given.split("; "))


def test_only_the_console_accepts_a_session_and_no_other_token(session: Session) -> None:
    token = session.cookie.partition("=")[2]
    refused = session.plane.call("GET", "/v1/self", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 401
    assert session.get("/console").status_code == 200
    with_token = Session(session.plane, f"{COOKIE}={session.plane.token}")
    assert with_token.get("/console").headers["location"] == "/console/sign-in"


def test_a_page_without_a_session_leads_to_the_sign_in(plane: Plane) -> None:
    answer = plane.call("GET", "/console", headers={})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert plane.call("GET", "/console", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/console/sign-in"


def test_a_session_ends_an_hour_after_its_last_request(session: Session) -> None:
    clock = session.plane.clock
    clock.now += IDLE_S - 1
    assert session.get("/console").status_code == 200
    clock.now += IDLE_S - 1
    assert session.get("/console").status_code == 200
    clock.now += IDLE_S
    assert session.get("/console").status_code == 303


def test_a_session_ends_after_twelve_hours_of_use(session: Session) -> None:
    clock, end = session.plane.clock, session.plane.clock.now + LONGEST_S
    while clock.now + IDLE_S // 2 < end:
        clock.now += IDLE_S // 2
        assert session.get("/console").status_code == 200
    clock.now = end
    assert session.get("/console").status_code == 303


def test_a_session_is_worthless_after_signing_out(session: Session) -> None:
    assert session.send("/console/sign-out").status_code == 303
    assert session.get("/console").status_code == 303


def test_a_session_ends_with_the_token_that_made_its_link_and_with_its_account(plane: Plane) -> None:
    ends = ("DELETE /v1/accounts/{account}/tokens/{token}", "POST /v1/accounts/{account}/disable")
    for number, end in enumerate(ends):
        account, token = plane.account(f"desk-{number}", ("auditor", None))
        session = signed_in(plane, token)
        held = plane.done("GET", "/v1/self", token=token)["token"]["number"]
        method, path = end.split()
        plane.done(method, path.format(account=account, token=held))
        assert session.get("/console").status_code == 303, end


def test_a_session_has_the_roles_that_are_held_at_each_request(town: Plane) -> None:
    account, token = town.account("desk", ("operator", "town"))
    session = signed_in(town, token)
    assert "town" in session.shown("/console")
    grant = town.done("GET", f"/v1/grants?account={account}")["items"][0]["number"]
    town.done("POST", f"/v1/grants/{grant}/end", {"reason": "the desk has moved"})
    assert "a-town" not in session.shown("/console")


def test_one_session_too_many_ends_the_oldest(plane: Plane) -> None:
    first, *_ = sessions = [signed_in(plane) for _ in range(MAX_SESSIONS + 1)]
    assert [each.get("/console").status_code for each in (first, *sessions[1:])] == [303] + [200] * MAX_SESSIONS


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
def test_a_form_of_another_session_does_nothing(csrf: str, session: Session) -> None:
    assert session.send("/console/sign-out", csrf=csrf).status_code == 403
    assert session.get("/console").status_code == 200


def test_signing_in_and_out_is_audited(session: Session) -> None:
    session.send("/console/sign-out")
    acts = [each["act"] for each in session.plane.done("GET", "/v1/audit")["items"]]
    assert acts[:3] == ["session.end", "session.begin", "sign_in_link.make"]
