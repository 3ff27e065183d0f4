"""Every page as every role: accessible, in each language, at each width, light and dark, with and without scripts."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from api.console.router import page_routes
from api.locale.translations import LOCALES
from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import WIDTHS, Visitor, visitor

pytestmark = pytest.mark.slow

ROLES = ("reader", "operator", "approver", "auditor", "administrator")
OF_AUTHORITY = ("reader", "operator", "approver")
MOST_BYTES = 100_000
EXAMPLES: Mapping[str, str] = {
    "/console/exemptions/{number}": "/console/exemptions/2",
    "/console/lists/{slug}/{list_slug}/adopt": "/console/lists/ghent/apps/adopt",
    "/console/lists/{slug}/{list_slug}": "/console/lists/ghent/apps",
    "/console/people/{account}": "/console/people/2",
    "/console/people/{account}/grants/{number}/end": "/console/people/2/grants/2/end",
    "/console/reports/show": "/console/reports/show?authority=ghent&about=ban:tiktok&from=2024-01-01&to=2024-01-31",
    "/console/networks/{site}/{address}/{length}": "/console/networks/default/127.0.5.0/24",
    "/console/bans/{slug}/{service}": "/console/bans/ghent/tiktok",
    "/console/bans/{slug}/{service}/change": "/console/bans/ghent/tiktok/change",
    "/console/bans/{slug}/{service}/renew": "/console/bans/ghent/tiktok/renew",
    "/console/bans/{slug}/{service}/end": "/console/bans/ghent/tiktok/end",
    "/console/bans/{slug}/{service}/names": "/console/bans/ghent/tiktok/names",
    "/console/public-register/{slug}": "/console/public-register/ghent",
    "/console/names/{slug}": "/console/names/ghent",
    "/console/names/{slug}/{name}": "/console/names/ghent/www.example.com",
    "/console/{rest:path}": "/console/no-such-page",
    "/register/{rest:path}": "/register/ghent",
}
"""Addresses of pages whose path names an object, by the path of the route."""
NOT_OPENED = (
    "/console/today/now",
    "/console/suspended",
    "/console/authorities/known",
    "/console/passkeys/options/sign-in",
    "/console/passkeys/options/{purpose}",
    "/console/sign-in/{code}",
    "/console/sign-in/oidc",
    "/console/sign-in/oidc/callback",
    "/console/language/{language}",
    "/console/audit/export",
    "/console/reports/file",
    # Nothing waits in the example policy. `test_second_persons.py` opens it.
    "/console/requests/{number}",
)


def paths() -> list[str]:
    """Return an address for each page that a link leads to."""
    opened = [route.path for route in page_routes() if "GET" in (route.methods or ()) and route.path not in NOT_OPENED]
    return [EXAMPLES[path] if "{" in path else EXAMPLES.get(path, path) for path in opened]


@pytest.fixture(scope="module")
def tokens(console: ConsolePlane) -> Mapping[str, str]:
    """Return a token of an account for each role, those of authorities in Ghent, which has a list and a register."""
    console.ask("PUT", "/v1/authorities/ghent/lists/apps", {"title": "Apps", "services": ["wechat"]})
    console.ask("PATCH", "/v1/authorities/ghent", {"public_register": True})
    return {role: console.account(f"desk-{role}", (role, "ghent" if role in OF_AUTHORITY else None)) for role in ROLES}


@pytest.fixture(params=ROLES)
def visiting(
    request: pytest.FixtureRequest, console: ConsolePlane, browser: Browser, tokens: Mapping[str, str]
) -> Iterator[Visitor]:
    """Return a visitor who has signed in, for each role."""
    with visitor(browser, console.shown_url) as found:
        found.sign_in(console.link(tokens[request.param]))
        yield found


def test_every_page_complains_of_nothing(visiting: Visitor) -> None:
    # Pages that the role may not see.
    visiting.answers |= {403, 404}
    for path in paths():
        expect(visiting.open(path).locator("h1"), path).to_have_count(1)
        assert visiting.complaints == [], path


def test_a_breach_of_the_security_policy_fails_a_test(console: ConsolePlane, browser: Browser) -> None:
    visiting = visitor(browser, console.shown_url)
    page = visiting.__enter__().open("/console/sign-in")
    with page.expect_console_message():
        page.evaluate("document.body.setAttribute('style', 'color: red')")
    with pytest.raises(AssertionError, match="inline style"):
        visiting.__exit__(None, None, None)


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize(("width", "scheme"), list(zip(WIDTHS, ("light", "dark", "light"), strict=True)))
def test_every_page_is_accessible_and_fits_its_window(
    width: str, scheme: Literal["light", "dark"], console: ConsolePlane, browser: Browser
) -> None:
    viewport = {"width": WIDTHS[width], "height": 900}
    with visitor(browser, console.shown_url, viewport=viewport, color_scheme=scheme) as found:
        found.answers.add(404)
        found.sign_in(console.link())
        for path in paths():
            found.open(path)
            assert not found.is_wider_than_its_window(), path
            assert found.axe() == [], path


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("language", LOCALES)
def test_every_page_is_in_the_language_of_the_browser(language: str, console: ConsolePlane, browser: Browser) -> None:
    with ExitStack() as stack:
        found = stack.enter_context(visitor(browser, console.shown_url, locale=language, java_script_enabled=False))
        found.answers.add(404)
        found.sign_in(console.link())
        for path in paths():
            page = found.open(path)
            expect(page.locator("html"), path).to_have_attribute("lang", language)
            expect(page.locator("h1"), path).to_have_count(1)


@pytest.mark.usefixtures("tokens")
def test_every_page_is_small(console: ConsolePlane, browser: Browser) -> None:
    with visitor(browser, console.shown_url) as found:
        found.answers.add(404)
        found.sign_in(console.link())
        for path in paths():
            assert found.bytes_of(path) <= MOST_BYTES, path
