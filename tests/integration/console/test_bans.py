"""A ban switched off and on, renewed and ended in a browser, as the real `dig` sees it, with and without scripts."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsers import visitor
from tests.support.nodes import SingleMachine, eventually

pytestmark = pytest.mark.slow

GHENT, NAME = "127.0.5.10", "www.tiktok.com"
BAN = "/console/bans/ghent/tiktok"
REASON = "the museum shows films"


def _link(machine: SingleMachine) -> str:
    token = (machine.state / "admin-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{machine.api_url}/v1/self/sign-in-links", method="POST", headers=headers)
    with urllib.request.urlopen(request) as answer:
        path: str = json.load(answer)["path"]
    return path


def _is_refused(machine: SingleMachine) -> bool:
    return machine.dig(NAME, bind=GHENT).rcode == "REFUSED"


@contextmanager
def _changed(machine: SingleMachine, what: str) -> Iterator[None]:
    """Demand that the answer of `dig` changes by what the block does, and print after how long."""
    before, began = _is_refused(machine), threading.Event()
    seen = list[float]()

    def watch() -> None:
        began.set()
        if eventually(lambda: _is_refused(machine) is not before):
            seen.append(time.monotonic())

    watching = threading.Thread(target=watch)
    watching.start()
    began.wait()
    start = time.monotonic()
    yield
    watching.join()
    assert seen, f"{what}: the answer has not changed"
    print(f"{what}: dig sees it {(seen[0] - start) * 1000:.0f} ms after the click")


def _click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _says(page: Page, text: str) -> None:
    page.get_by_role("status").get_by_text(text).wait_for()


def _switch_off(page: Page, choose: Callable[[], None]) -> None:
    choose()
    page.get_by_label("Why?", exact=True).fill(REASON)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_ban_is_toggled_renewed_and_ended_and_dig_sees_it(
    scripts: bool, fresh_machine: SingleMachine, browser: Browser
) -> None:
    machine = fresh_machine
    assert _is_refused(machine)
    with visitor(browser, f"http://localhost:{machine.api_port}", java_script_enabled=scripts, locale="en") as found:
        found.sign_in(_link(machine))
        page = found.open(BAN)
        if scripts:
            page.evaluate("window.loaded = 'once'")

        _switch_off(page, lambda: page.get_by_label("Until somebody switches the ban on again").check())
        with _changed(machine, "switched off"):
            _click(page, "Switch the ban off")
        _says(page, "The ban is off.")
        expect(page.get_by_text(REASON)).to_be_visible()
        with _changed(machine, "refused again"):
            _click(page, "Refuse again now")
        _says(page, "The service is refused again.")
        if scripts:
            assert page.evaluate("window.loaded") == "once"
            page.locator("[role=status]:focus").wait_for()

        # The first time that is offered: this evening, or tomorrow morning if the evening has come.
        _switch_off(page, page.get_by_label("Until").first.check)
        with _changed(machine, "off until a time"):
            _click(page, "Switch the ban off")
        _says(page, "The ban is off.")
        expect(page.get_by_text("and applies again then by itself")).to_be_visible()
        _click(page, "Refuse again now")
        _says(page, "The service is refused again.")
        assert eventually(lambda: _is_refused(machine))

        page.get_by_role("link", name="Renew the ban").click()
        last = f"{datetime.now(UTC).year + 2}-06-30"
        page.get_by_label("Last day").fill(last)
        _click(page, "Renew the ban")
        page.get_by_role("alert").wait_for()
        expect(page.get_by_label("Last day")).to_have_value(last)
        page.get_by_label("Reference").fill("EXAMPLE-GNT-2")
        _click(page, "Renew the ban")
        _says(page, "The ban is renewed.")
        expect(page.get_by_role("cell", name="EXAMPLE-GNT-2", exact=True)).to_be_visible()
        expect(page.get_by_role("img", name="Terms of the ban on a time line")).to_be_visible()

        page.get_by_role("link", name="End the ban early").click()
        page.get_by_label("Why?").fill("the decision is annulled")
        with _changed(machine, "ended early"):
            _click(page, "End the ban")
        _says(page, "The ban ends as you asked.")
