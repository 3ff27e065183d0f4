"""Debian's Chromium, driven by Playwright: pages as people see them, and what axe-core finds in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright

from tests.support.components import component

WIDTHS = {"phone": 360, "tablet": 820, "wide": 1440}
"""Widths of a window in CSS pixels."""
PATIENCE_MS = 30_000
"""How long `expect` waits for a page: as long as a click does."""
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium without a window. Skip the test if it is missing, and fail it under CI."""
    found = component("chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        options: dict[str, Any] = {"executable_path": found.path, "env": dict(found.env)}
        browser = playwright.chromium.launch(**options, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One browser profile of a visitor. `complaints` are errors on its console, such as those of a security policy."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Open a page of the control plane."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, path: str) -> None:
        """Use a link of `POST /v1/self/sign-in-links`."""
        self.open(path).get_by_role("button").last.click()
        self.page.wait_for_url(f"{self.url}/console")

    def bytes_of(self, path: str) -> int:
        """Open a page without the browser's cache. Return the bytes of the page and all its files, not compressed."""
        answers: list[Response] = []
        page = self.context.new_page()
        self.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
        page.on("response", lambda answer: answers.append(answer))
        page.goto(self.url + path)
        page.close()
        return sum(int(answer.headers.get("content-length", 0)) for answer in answers)

    def axe(self) -> list[str]:
        """Return what axe-core finds against WCAG 2.2 AA, each with the element."""
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": list(WCAG)}})
        return [
            f"{each['id']}: {node['html'][:200]}" for each in found.response["violations"] for node in each["nodes"]
        ]

    def is_wider_than_its_window(self) -> bool:
        """Return whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@contextmanager
def visitor(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """Return a new visitor of a control plane. `options` are those of a Playwright context: width, language, scheme."""
    context = browser.new_context(**options)
    made = Visitor(context, context.new_page(), url)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            made.complaints.append(message.text)

    made.page.on("console", note)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    context.close()
