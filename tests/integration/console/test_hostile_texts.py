"""Data runs on no page and breaks none: markup, overrides of the direction, control characters, long words."""

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import create_engine

from tests.integration.console.conftest import ConsolePlane
from tests.integration.console.test_pages import paths
from tests.support.browsers import WIDTHS, visitor
from tests.support.hostile_texts import MARK, spoil

pytestmark = pytest.mark.slow

WAITING = "/console/requests/1"
"""A page of an object that the example policy lacks."""
WITHOUT_DATA = ("/console/sign-in", "/console/styles")
FROM_DATA = "img, iframe, object, embed, base, script:not([src^='/console/static/']), [onerror], [onload], [style]"


def test_no_page_runs_or_is_broken_by_what_data_brings(console: ConsolePlane, browser: Browser) -> None:
    fill(console)
    with visitor(browser, console.shown_url, viewport={"width": WIDTHS["phone"], "height": 900}) as found:
        found.answers.add(404)
        found.sign_in(console.link())
        engine = create_engine(f"sqlite:///{console.state / 'dnsfilter.sqlite3'}")
        spoil(engine)
        engine.dispose()
        for path in (*paths(), WAITING):
            page = found.open(path)
            expect(page.locator("h1"), path).to_have_count(1)
            expect(page.locator(FROM_DATA), path).to_have_count(0)
            if path not in WITHOUT_DATA:
                expect(page.locator("body"), path).to_contain_text(MARK)
            assert not found.is_wider_than_its_window(), path
            assert found.complaints == [], path


def fill(plane: ConsolePlane) -> None:
    """Add objects of the kinds that the example policy lacks."""
    desk = plane.account("desk", ("operator", "ghent"))
    ghent = "/v1/authorities/ghent"
    plane.ask("PUT", f"{ghent}/lists/apps", {"title": "Apps", "services": ["wechat"]})
    plane.ask("PUT", f"{ghent}/services/games", {"name": "Games", "domains": ["games.example.net"]})
    plane.ask("PATCH", ghent, {"public_register": True})
    plane.ask("PATCH", f"{ghent}/off-rules", {"off_needs_approver": True})
    plane.ask("PATCH", f"{ghent}/bans/tiktok", {"mode": "off", "for": "1 hour"}, desk)
    plane.ask("POST", "/v1/suspensions", {"authority": "ghent", "for": "1 hour", "reason": "a fault"})
    plane.ask("PUT", "/v1/peers/harbour", {"url": "https://dns.example.org/v1/register/harbour", "key": "a" * 64})
    invited = plane.ask("POST", "/v1/nodes", {"name": "office"})["enrolment_token"]
    plane.ask("POST", "/v1/nodes/enrol", {"version": "1"}, invited)
