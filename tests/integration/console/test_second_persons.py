"""Exemptions and requests in a real browser: asked by one person, decided by another, with and without scripts."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import Visitor, visitor

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])]

OFFICES, CLIENT = "127.0.5.0/24", "127.0.5.10"
HOSTILE = "<img src=x onerror=alert(1)> & \"quoted\" 'text'"


@pytest.fixture(scope="module")
def tokens(console: ConsolePlane) -> Mapping[str, str]:
    """Return the tokens of an operator and of an approver of Ghent."""
    return {role: console.account(f"ghent-{role}", (role, "ghent")) for role in ("operator", "approver")}


@contextmanager
def two(
    console: ConsolePlane, browser: Browser, scripts: bool, first: str, second: str | None
) -> Iterator[tuple[Visitor, Visitor]]:
    """Yield two visitors with sessions of two accounts."""
    with ExitStack() as stack:
        found = []
        for token in (first, second):
            one = stack.enter_context(visitor(browser, console.shown_url, java_script_enabled=scripts))
            one.sign_in(console.link(token))
            found.append(one)
        yield found[0], found[1]


def spoken(asking: Visitor) -> str:
    """Return what the page Why? says about a pasted link."""
    page = asking.open("/console/why")
    page.get_by_label("Address of the device").fill(CLIENT)
    page.get_by_label("Name or web address").fill("https://www.tiktok.com/@gent?lang=nl")
    page.get_by_role("button", name="Explain").click()
    return page.locator(".spoken").inner_text()


def done(page: Page, what: str) -> None:
    """Wait until an act is done."""
    page.wait_for_url(f"**?done={what}")
    expect(page.get_by_role("status")).to_have_count(1)


def test_an_exemption_is_asked_for_from_why_approved_by_another_account_and_revoked(
    console: ConsolePlane, browser: Browser, tokens: Mapping[str, str], scripts: bool
) -> None:
    reason = f"{HOSTILE} {scripts}"
    with two(console, browser, scripts, tokens["operator"], None) as (desk, chief):
        assert spoken(desk).startswith(
            "Refused, because Stad Gent banned TikTok by decision EXAMPLE-GNT-2023-1, through"
        )
        page = desk.page
        page.get_by_role("link", name="Ask for an exemption").click()
        expect(page.get_by_label(OFFICES)).to_be_checked()
        page.get_by_label("Until", exact=True).fill(f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}")
        page.get_by_label("Why is it needed?").fill(reason)
        page.get_by_role("button", name="Ask for the exemption").click()
        done(page, "asked")
        expect(page.get_by_text("you cannot approve it")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        assert not scripts or desk.axe() == []
        page = chief.open("/console/exemptions")
        page.get_by_role("row", name=reason).get_by_role("link").click()
        page.wait_for_url("**/console/exemptions/*")
        expect(page.get_by_text(reason)).to_be_visible()
        expect(page.locator("img")).to_have_count(0)
        assert not scripts or chief.axe() == []
        page.get_by_role("button", name="Approve").click()
        done(page, "exemption-approved")
        expect(page.get_by_text("It applies now.")).to_be_visible()
        assert spoken(desk).startswith("Answered, because exemption")
        page.get_by_label("Why do you revoke it?").fill("the fair is over")
        page.get_by_role("button", name="Revoke").click()
        done(page, "revoked")
        assert spoken(desk).startswith("Refused, because Stad Gent banned TikTok")


def test_an_exemption_lapses_by_itself(
    console: ConsolePlane, browser: Browser, tokens: Mapping[str, str], scripts: bool
) -> None:
    body = {"ban": "ghent/tiktok", "ranges": [OFFICES], "for": "45 seconds", "reason": f"a short test {scripts}"}
    with two(console, browser, scripts, tokens["operator"], None) as (desk, chief):
        # Ask after the sessions have begun, which takes a while.
        number = console.ask("POST", "/v1/exemptions", body, tokens["operator"])["number"]
        page = chief.open(f"/console/exemptions/{number}")
        page.get_by_role("button", name="Approve").click()
        done(page, "exemption-approved")
        page = desk.open("/console/exemptions?state=lapsed")
        for _ in range(200):
            if page.get_by_role("link", name=f"Exemption {number}", exact=True).count():
                break
            page.wait_for_timeout(500)
            page.reload()
        page.get_by_role("link", name=f"Exemption {number}", exact=True).click()
        page.wait_for_url(f"**/console/exemptions/{number}")
        expect(page.get_by_text("Ended", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
        assert spoken(desk).startswith("Refused, because Stad Gent banned TikTok")


def test_a_request_is_approved_by_a_colleague_and_not_by_who_asked(
    console: ConsolePlane, browser: Browser, tokens: Mapping[str, str], scripts: bool
) -> None:
    console.ask("PATCH", "/v1/authorities/ghent/off-rules", {"off_needs_approver": True})
    body = {"mode": "off", "mode_reason": HOSTILE, "for": "1 hour"}
    number = console.ask("PATCH", "/v1/authorities/ghent/bans/tiktok", body, tokens["operator"])["number"]
    with two(console, browser, scripts, tokens["operator"], tokens["approver"]) as (desk, chief):
        page = desk.open("/console/requests")
        page.get_by_role("link", name=f"Request {number}", exact=True).click()
        page.wait_for_url(f"**/console/requests/{number}")
        expect(page.get_by_text("Switch the ban tiktok off until")).to_be_visible()
        expect(page.get_by_text("you cannot approve it")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        page = chief.open(f"/console/requests/{number}")
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        expect(page.locator("img")).to_have_count(0)
        assert not scripts or chief.axe() == []
        page.get_by_label("Why do you reject it?").fill("n")
        page.get_by_role("button", name="Reject").click()
        page.get_by_role("alert").wait_for()
        page.get_by_role("button", name="Approve").click()
        done(page, "request-approved")
        assert spoken(desk).startswith("Answered, because Stad Gent has switched its ban on TikTok off.")
    console.ask("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "enforce"})
