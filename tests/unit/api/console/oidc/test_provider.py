"""Signing in by OpenID Connect: who is let in, and every answer of a provider that is not."""

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.auth.sessions import COOKIE as SESSION
from api.auth.sessions import IDLE_S
from api.console.oidc.provider import KNOWN_S, MAX_ANSWER, MAX_AT_ONCE, Provider
from api.console.oidc.sign_in_attempt import ATTEMPT_S, COOKIE
from api.console.oidc.sign_in_failures import BEGIN_AGAIN, DENIED, NO_ANSWER, NOT_VALID
from tests.support.scripted_provider import (
    CLIENT,
    LASTING_S,
    SECRET,
    ScriptedProvider,
    other_key,
    query,
    scripted_provider,
    shared_key,
)
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session

START, CALLBACK = "/console/sign-in/oidc", "/console/sign-in/oidc/callback"
CONSOLE = "https://dnsfilter.example.org"


@dataclass
class Desk:
    """A control plane with the account `an`, its provider, and a browser."""

    plane: Plane
    provider: ScriptedProvider
    account: int

    def use(self, **changes: Any) -> Provider:
        """Give the control plane the provider, with changed settings."""
        runtime = self.plane.app.state.runtime
        given = {
            "console_url": CONSOLE,
            "oidc_issuer": self.provider.issuer,
            "oidc_client_id": CLIENT,
            "oidc_client_secret_file": self.plane.settings.state_dir / "oidc-secret",
        }
        settings = self.plane.settings.model_copy(update=given | changes)
        self.plane.app.state.runtime = dataclasses.replace(runtime, settings=settings)
        assert settings.identity_provider is not None
        provider = self.plane.app.state.identity_provider = Provider(settings.identity_provider)
        return provider

    def begin(self) -> tuple[str, str]:
        """Begin to sign in. Return the address of the provider, and the cookie."""
        answer = self.plane.call("GET", START, headers={})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"], answer.headers["set-cookie"].partition(";")[0]

    def come_back(self, cookie: str, values: dict[str, str]) -> httpx.Response:
        """Come back from the provider."""
        return self.plane.call("GET", CALLBACK + query(values), headers=[(b"Cookie", cookie.encode("latin-1"))])

    def sign_in(self, **changes: str) -> httpx.Response:
        """Sign in, with changes to what the browser brings back."""
        location, cookie = self.begin()
        return self.come_back(cookie, self.provider.signed_in(location) | changes)


@pytest.fixture
def desk(plane: Plane) -> Iterator[Desk]:
    secret = plane.settings.state_dir / "oidc-secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    account, _ = plane.account("desk", ("auditor", None), kind="user")
    with scripted_provider(int(plane.clock())) as provider:
        made = Desk(plane, provider, account)
        made.use()
        yield made


def refused(answer: httpx.Response, advice: str) -> None:
    """Check that nobody was signed in, and that the page says what to do."""
    assert answer.status_code == 401
    assert SESSION + "=" not in answer.headers.get("set-cookie", "")
    assert advice in answer.text.replace("&#39;", "'")


def test_a_person_signs_in_and_the_audit_log_says_how(desk: Desk) -> None:
    answer = desk.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    given = {text.partition("=")[0]: text for text in answer.headers.get_list("set-cookie")}
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(given[SESSION].split("; "))
    assert "Max-Age=0" in given[COOKIE]
    session = Session(desk.plane, given[SESSION].partition(";")[0])
    assert session.get("/console").status_code == 200
    entry = desk.plane.done("GET", "/v1/audit")["items"][0]
    assert (entry["act"], entry["account"], entry["access"]) == ("session.begin", desk.account, "oidc")
    desk.plane.clock.now += IDLE_S - 1
    assert session.get("/console").status_code == 200
    desk.plane.done("POST", f"/v1/accounts/{desk.account}/disable")
    assert session.get("/console").status_code == 303


def test_the_browser_carries_no_secret_to_the_provider(desk: Desk) -> None:
    location, cookie = desk.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{desk.provider.issuer}/authorize?")
    assert asked["redirect_uri"] == CONSOLE + CALLBACK
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid profile"
    assert set(asked) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert not any(asked[name] in cookie for name in ("state", "nonce", "code_challenge"))
    again, _ = desk.begin()
    assert len({location, again}) == 2


def test_an_id_token_that_is_not_valid_signs_nobody_in(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"iss": "https://idp.example.org"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", "more"]}, "aud"),
        ({"aud": [CLIENT, "another"]}, "azp"),
        ({"aud": CLIENT, "azp": "another"}, "azp"),
        ({"aud": None}, "aud"),
        ({"exp": 1_000_000_000}, "exp"),
        ({"exp": "later"}, "exp"),
        ({"exp": None}, "exp"),
        ({"iat": 3_000_000_000}, "future"),
        ({"sub": None}, "sub"),
        ({"at_hash": "b3RoZXI"}, "at_hash"),
        ({"preferred_username": None}, "preferred_username"),
        ({"preferred_username": ["desk"]}, "preferred_username"),
        ({"preferred_username": ""}, "preferred_username"),
    ]
    for claims, reason in cases:
        desk.provider.claims = claims
        caplog.clear()
        refused(desk.sign_in(), NOT_VALID)
        assert reason in str([record.__dict__ for record in caplog.records if record.levelno == logging.WARNING])


def test_an_id_token_of_another_key_or_with_the_client_secret_signs_nobody_in(desk: Desk) -> None:
    desk.provider.signs_with = other_key()
    refused(desk.sign_in(), NOT_VALID)
    desk.provider.signs_with, desk.provider.algorithm = shared_key(), "HS256"
    refused(desk.sign_in(), NOT_VALID)


def test_a_new_key_of_the_provider_is_known_at_once(desk: Desk) -> None:
    assert desk.sign_in().status_code == 303
    desk.provider.key = other_key()
    assert desk.sign_in().status_code == 303


def test_an_id_token_expires_by_the_clock_of_the_control_plane(desk: Desk) -> None:
    location, cookie = desk.begin()
    desk.plane.clock.now += LASTING_S + 59
    assert desk.come_back(cookie, desk.provider.signed_in(location)).status_code == 303
    desk.provider.now_s -= LASTING_S + 61
    refused(desk.sign_in(), NOT_VALID)


def test_an_answer_of_another_attempt_or_provider_signs_nobody_in(desk: Desk) -> None:
    for changes, advice in [
        ({"state": "0" * 64}, BEGIN_AGAIN),
        ({"state": ""}, BEGIN_AGAIN),
        ({"state": "é"}, BEGIN_AGAIN),
        ({"code": "guessed"}, BEGIN_AGAIN),
        ({"iss": "https://idp.example.org"}, NOT_VALID),
    ]:
        refused(desk.sign_in(**changes), advice)


def test_an_answer_without_its_issuer_signs_nobody_in_if_the_provider_names_it(desk: Desk) -> None:
    location, cookie = desk.begin()
    values = desk.provider.signed_in(location)
    del values["iss"]
    refused(desk.come_back(cookie, values), NOT_VALID)
    desk.provider.metadata = {"authorization_response_iss_parameter_supported": None}
    desk.use()
    location, cookie = desk.begin()
    values = desk.provider.signed_in(location)
    del values["iss"]
    assert desk.come_back(cookie, values).status_code == 303


def test_a_refusal_of_the_provider_leads_back_to_the_sign_in(desk: Desk) -> None:
    location, cookie = desk.begin()
    state = desk.provider.signed_in(location)["state"]
    refused(desk.come_back(cookie, {"error": "access_denied", "state": state}), DENIED)


def test_an_attempt_belongs_to_its_browser_ends_and_is_not_repeated(desk: Desk) -> None:
    location, cookie = desk.begin()
    values = desk.provider.signed_in(location)
    _, other = desk.begin()
    later, odd = cookie.replace(".", ".9", 1), f"{COOKIE}=é"
    for wrong in ("", other, f"{COOKIE}=", f"{COOKIE}=a.1.b", f"{cookie}0", later, odd):
        refused(desk.come_back(wrong, values), BEGIN_AGAIN)
    answer = desk.come_back(cookie, values)
    assert answer.status_code == 303
    refused(desk.come_back(cookie, values), BEGIN_AGAIN)
    location, cookie = desk.begin()
    desk.plane.clock.now += ATTEMPT_S
    refused(desk.come_back(cookie, desk.provider.signed_in(location)), BEGIN_AGAIN)


def test_only_an_enabled_account_of_a_person_with_the_login_is_signed_in(desk: Desk) -> None:
    desk.plane.account("robot", ("auditor", None))
    accounts = len(desk.plane.done("GET", "/v1/accounts")["items"])
    for login in ("administrator", "robot", "nobody", "<b>desk</b>", "{login}", "a" * 300):
        desk.provider.login = login
        answer = desk.sign_in()
        refused(answer, "has no enabled account of a person")
        assert "<b>desk" not in answer.text
    desk.provider.login = "desk"
    desk.plane.done("POST", f"/v1/accounts/{desk.account}/disable")
    refused(desk.sign_in(), "you in as desk, but")
    assert len(desk.plane.done("GET", "/v1/accounts")["items"]) == accounts


def test_the_claim_of_the_settings_is_the_login(desk: Desk) -> None:
    cases: list[tuple[dict[str, str], dict[str, Any], bool]] = [
        ({}, {"preferred_username": "DESK"}, True),
        ({"oidc_domain": "example.org"}, {"preferred_username": "Desk@example.org"}, True),
        ({"oidc_domain": "example.org"}, {"preferred_username": "desk@example.net"}, False),
        ({"oidc_domain": "example.org"}, {"preferred_username": "desk"}, False),
        ({"oidc_domain": "example.org"}, {"preferred_username": "desk@example.net@example.org"}, False),
        ({}, {"preferred_username": "desk@example.org"}, False),
        ({"oidc_claim": "email", "oidc_domain": "example.org"}, {"email": "desk@example.org"}, False),
        (
            {"oidc_claim": "email", "oidc_domain": "example.org"},
            {"email": "desk@example.org", "email_verified": True},
            True,
        ),
    ]
    for settings, claims, signs_in in cases:
        desk.use(**settings)
        desk.provider.claims = claims
        assert desk.sign_in().status_code == (303 if signs_in else 401)


def test_a_claim_that_the_id_token_lacks_comes_from_userinfo_of_the_same_person(desk: Desk) -> None:
    for userinfo, signs_in in [
        ({"sub": "1", "preferred_username": "desk"}, True),
        ({"sub": "2", "preferred_username": "desk"}, False),
        ({"preferred_username": "desk"}, False),
        ({"sub": "1"}, False),
    ]:
        desk.provider.claims = {"preferred_username": None}
        desk.provider.metadata = {"userinfo_endpoint": f"{desk.provider.issuer}/userinfo"}
        desk.provider.userinfo = userinfo
        assert desk.sign_in().status_code == (303 if signs_in else 401)


def test_a_character_that_only_looks_like_a_letter_is_another_login(desk: Desk) -> None:
    desk.plane.account("kiosk", kind="user")
    desk.provider.login = "\N{KELVIN SIGN}iosk"
    refused(desk.sign_in(), NOT_VALID)


def test_the_metadata_are_kept_for_an_hour(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/realm/.well-known/openid-configuration"
    for _ in range(2):
        assert desk.sign_in().status_code == 303
    assert desk.provider.asked.count(path) == 1
    known = desk.plane.app.state.identity_provider
    monkeypatch.setattr(known, "_known_until_s", known._known_until_s - KNOWN_S)
    assert desk.sign_in().status_code == 303
    assert desk.provider.asked.count(path) == 2


def test_metadata_that_are_not_safe_are_not_used(desk: Desk) -> None:
    cases: list[dict[str, Any]] = [
        {"issuer": "https://idp.example.org"},
        {"authorization_endpoint": "http://idp.example.org/authorize"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"jwks_uri": None},
        {"jwks_uri": ["https://idp.example.org/keys"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "https://user:secret@idp.example.org/token"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        {"token_endpoint_auth_methods_supported": 1},
    ]
    for metadata in cases:
        desk.use()
        desk.provider.metadata = metadata
        refused(desk.plane.call("GET", START, headers={}), NOT_VALID)


def test_a_redirect_an_error_and_an_endless_answer_are_refused(desk: Desk) -> None:
    for changes, advice in [
        ({"status": 302}, NOT_VALID),
        ({"status": 503}, NO_ANSWER),
        ({"padding": MAX_ANSWER}, NOT_VALID),
    ]:
        desk.provider.asked.clear()
        desk.provider.status, desk.provider.padding = changes.get("status", 200), changes.get("padding", 0)
        refused(desk.plane.call("GET", START, headers={}), advice)
        assert desk.provider.asked == ["/realm/.well-known/openid-configuration"]


def test_a_provider_that_is_away_or_has_many_waiting_is_said_to_be(desk: Desk, tmp_path: Path) -> None:
    provider = desk.use()
    for _ in range(MAX_AT_ONCE):
        assert provider._slots.acquire(blocking=False)
    refused(desk.plane.call("GET", START, headers={}), NO_ANSWER)
    provider._slots.release()
    assert desk.plane.call("GET", START, headers={}).status_code == 303
    assert desk.plane.call("GET", START, headers={}).status_code == 303
    desk.use(oidc_client_secret_file=tmp_path / "none")
    refused(desk.sign_in(), NO_ANSWER)
    desk.use(oidc_issuer="http://127.0.0.1:1/realm")
    refused(desk.plane.call("GET", START, headers={}), NO_ANSWER)


def test_the_log_names_neither_people_nor_secrets(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    location, cookie = desk.begin()
    values = desk.provider.signed_in(location)
    desk.provider.claims = {"aud": "another"}
    desk.provider.login = "somebody.else"
    refused(desk.come_back(cookie, values), NOT_VALID)
    logged = str([record.__dict__ for record in caplog.records if record.name.startswith("dnsfilter")])
    for secret in ("somebody", SECRET, values["code"], cookie.partition("=")[2], values["state"]):
        assert secret not in logged


def test_the_sign_in_page_offers_it_only_if_it_is_set(desk: Desk) -> None:
    page = desk.plane.call("GET", "/console/sign-in", headers={}).text
    assert f'href="{CONSOLE}{START}"' in page
    desk.plane.app.state.runtime = dataclasses.replace(desk.plane.app.state.runtime, settings=desk.plane.settings)
    desk.plane.app.state.identity_provider = None
    assert START not in desk.plane.call("GET", "/console/sign-in", headers={}).text
    assert [desk.plane.call("GET", path, headers={}).status_code for path in (START, CALLBACK)] == [404, 404]
