"""Passkeys with Chromium's virtual authenticator: added, used to sign in and to confirm, and removed."""

import re
import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from api.auth.sessions import PROOF_S
from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import Visitor, visitor

pytestmark = pytest.mark.slow

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def person(console: ConsolePlane, browser: Browser) -> Iterator[Visitor]:
    """Return an administrator who has signed in by a link, with a device for passkeys."""
    with visitor(browser, console.shown_url) as found:
        devices = found.context.new_cdp_session(found.page)
        devices.send("WebAuthn.enable")
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        found.sign_in(console.link(console.account(f"desk-{id(found)}", ("administrator", None))))
        yield found


def add(person: Visitor, name: str) -> None:
    """Add a passkey."""
    page = person.open("/console/people")
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is added.")).to_be_visible()


def grow_old(console: ConsolePlane) -> None:
    """Let ten minutes pass since all sessions began."""
    with sqlite3.connect(console.state / "dnsfilter.sqlite3") as database:
        database.execute("UPDATE tokens SET proven_s = proven_s - ?", (PROOF_S,))
    database.close()


def test_a_passkey_is_added_signs_in_and_is_removed(person: Visitor) -> None:
    add(person, "my phone")
    page = person.page
    assert person.axe() == []
    page.get_by_role("button", name="Sign out").click()
    passkey = page.get_by_role("button", name="Sign in with a passkey")
    expect(passkey).to_be_visible()
    assert person.axe() == []
    passkey.click()
    page.wait_for_url(f"{person.url}/console")
    person.open("/console/people").get_by_role("button", name="Remove passkey my phone").click()
    expect(page.get_by_text("The passkey is removed")).to_be_visible()
    page.wait_for_load_state()
    person.open("/console/sign-in").get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("[role=alert]", has_text=re.compile("passkey was not"))).to_be_visible()


def test_a_sensitive_act_asks_for_the_passkey_and_goes_on(console: ConsolePlane, person: Visitor) -> None:
    add(person, "my key")
    grow_old(console)
    page = person.open("/console/suspend")
    page.get_by_label("For which authority?").select_option("*")
    page.get_by_label("Why?").fill("nothing works any more")
    page.get_by_role("button", name="Suspend all bans now").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    assert person.axe() == []
    assert console.ask("GET", "/v1/suspensions?state=in_force")["items"] == []
    page.get_by_role("button", name="Confirm with your passkey").click()
    expect(page.get_by_text("Nothing is refused, for any authority")).to_be_visible()
    (started,) = console.ask("GET", "/v1/suspensions?state=in_force")["items"]
    assert started["reason"] == "nothing works any more"
    console.ask("POST", f"/v1/suspensions/{started['number']}/end", {"reason": "a test has ended"})
