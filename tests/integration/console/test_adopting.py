"""A ban is adopted in a browser and refused by a node, or follows another authority's, with and without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import Visitor, visitor
from tests.support.control_planes import Follower
from tests.support.knot import Knot
from tests.support.nodes import eventually

pytestmark = pytest.mark.slow

GHENT = "127.0.5.10"
"""A client in Ghent's offices."""
SERVICES = {True: ("wechat", "www.wechat.com", "facebook"), False: ("snapchat", "www.snapchat.com", "instagram")}
"""By whether scripts run: the service to ban, a name of it, and the service whose ban is followed."""


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def visiting(request: pytest.FixtureRequest, console: ConsolePlane, browser: Browser) -> Iterator[tuple[Visitor, bool]]:
    """Return an administrator's visitor, and whether scripts run."""
    with visitor(browser, console.shown_url, java_script_enabled=request.param) as found:
        found.sign_in(console.link())
        yield found, request.param


def test_a_ban_is_adopted_and_refused(
    visiting: tuple[Visitor, bool], console: ConsolePlane, authority: Knot, tmp_path: Path
) -> None:
    found, scripts = visiting
    service, name, _ = SERVICES[scripts]
    with Follower(tmp_path / "node", authority.hostport, console.state / "snapshots") as node:
        assert node.dig(name, bind=GHENT).rcode != "REFUSED"
        page = found.open("/console")
        page.get_by_role("link", name="Adopt a ban").click()
        page.get_by_label("For which authority?").select_option("ghent")
        page.get_by_label("Which service?").select_option(service)
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Reference of the decision").fill("GNT-2026-9")
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Last day").fill("2099-12-31")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#legal_basis-fault"), "the legal basis is missing").to_be_visible()
        assert found.axe() == [] if scripts else True
        page.get_by_label("Legal basis").fill("decree 1")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_label("Last day")).to_have_value("2099-12-31")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("31 December 2099").first).to_be_visible()
        assert node.dig(name, bind=GHENT).rcode != "REFUSED", "the check changes nothing"
        page.get_by_role("button", name="Adopt the ban").click()
        page.wait_for_url(f"**/console/bans/ghent/{service}?done=adopted")
        assert eventually(lambda: node.dig(name, bind=GHENT).rcode == "REFUSED")


def test_a_ban_of_another_authority_is_followed_in_two_steps(
    visiting: tuple[Visitor, bool], console: ConsolePlane
) -> None:
    found, scripts = visiting
    service = SERVICES[scripts][2]
    page = found.open("/console/adopt")
    page.get_by_role("link", name="Follow the ban of another authority instead").click()
    page.get_by_label("For which authority?").select_option("mechelen")
    page.get_by_label("Which ban do you follow?").select_option(f"brussels-city/{service}")
    page.get_by_label("Legal basis").fill("decree 1")
    page.get_by_label("Reference of the decision").fill(f"MEC-{service}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Adopt the ban").click()
    page.wait_for_url(f"**/console/bans/mechelen/{service}?done=adopted")
    made = console.ask("GET", f"/v1/authorities/mechelen/bans/{service}")
    assert made["decision"]["follows"] == f"brussels-city/{service}"
