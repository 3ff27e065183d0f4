"""The pictures of the console in README.md. With DNSFILTER_PICTURES=1 they are written to docs/pictures."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import visitor
from tests.support.components import PROJECT

pytestmark = pytest.mark.slow

PICTURES = {
    "today": "/console",
    "ban": "/console/bans/ghent/tiktok",
    "why": "/console/why?client=127.0.5.10&name=www.tiktok.com",
}
VIEWPORT = {"width": 1024, "height": 768}


@pytest.mark.parametrize("name", PICTURES)
def test_the_readme_shows_a_page_as_it_is(name: str, console: ConsolePlane, browser: Browser, tmp_path: Path) -> None:
    shown = PROJECT / "docs" / "pictures" / f"console-{name}.png"
    assert f"docs/pictures/{shown.name}" in (PROJECT / "README.md").read_text()
    token = console.account(f"picture-{name}", ("operator", "ghent"))
    drawn = shown if os.environ.get("DNSFILTER_PICTURES") == "1" else tmp_path / shown.name
    with visitor(browser, console.shown_url, viewport=VIEWPORT) as found:
        found.sign_in(console.link(token))
        found.open(PICTURES[name]).screenshot(path=drawn)
    # Days and counts differ from run to run, so the size of the picture is what both have.
    assert _size(drawn) == _size(shown) == (VIEWPORT["width"], VIEWPORT["height"])


def _size(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG, from its first chunk."""
    head = picture.read_bytes()[16:24]
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
