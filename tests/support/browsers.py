"""Debian's Chromium, driven by Playwright: pages as people see them, and what axe-core finds in them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Response,
    WebError,
    expect,
    sync_playwright,
)

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


_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d)")


@dataclass
class Visitor:
    """One browser profile of a visitor."""

    context: BrowserContext
    page: Page
    url: str
    answers: set[int] = field(default_factory=set)
    """Statuses from 400 on with which opened pages may answer. Forms may answer with any."""
    _noted: list[tuple[str, str]] = field(default_factory=list)
    _refusals: set[tuple[str, int]] = field(default_factory=set)

    @property
    def complaints(self) -> list[str]:
        """Return what went wrong in the browser, such as breaches of a security policy, except expected refusals."""
        return [text for text, address in self._noted if not self._is_expected(text, address)]

    def _is_expected(self, text: str, address: str) -> bool:
        status = _STATUS.match(text)
        return status is not None and (address, int(status[1])) in self._refusals

    def note(self, event: ConsoleMessage | WebError | Dialog | Response) -> None:
        """Note an event of the browser. Messages about other sites are theirs: the policy lets no page load them."""
        match event:
            case ConsoleMessage(type="error", text=text, location={"url": address}):
                if not address or address.startswith(self.url):
                    self._noted.append((text, address))
            case WebError(error=error):
                self._noted.append((str(error), ""))
            case Dialog(message=text):
                self._noted.append((f"a dialog: {text}", ""))
                event.dismiss()
            case Response(request=request, status=status):
                if request.method == "POST" or (request.is_navigation_request() and status in self.answers):
                    self._refusals.add((event.url, status))

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
        """Return what axe-core finds against WCAG 2.2 AA, each with the element. Expect something of the page first."""
        self.page.wait_for_load_state()
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": list(WCAG)}})
        return [
            f"{each['id']}: {node['html'][:200]}" for each in found.response["violations"] for node in each["nodes"]
        ]

    def is_wider_than_its_window(self) -> bool:
        """Return whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@contextmanager
def visitor(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """Yield a new visitor of a control plane. Fail in the end if the browser complained of something.

    `options` are those of a Playwright context: width, language, scheme.
    """
    context = browser.new_context(**options)
    made = Visitor(context, context.new_page(), url)
    for event in ("console", "weberror", "dialog", "response"):
        context.on(event, made.note)
    try:
        yield made
    finally:
        context.close()
    assert not made.complaints, "\n".join(made.complaints)
