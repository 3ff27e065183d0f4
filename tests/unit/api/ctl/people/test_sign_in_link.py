"""console: the link that signs in, and whether a browser opens it."""

import json
from pathlib import Path

import httpx
import pytest

from api.ctl.people.sign_in_link import has_display, shown_url
from tests.unit.api.ctl.conftest import Ctl, Served


def test_the_link_signs_in(served: Served, ctl: Ctl) -> None:
    done = ctl("console")
    link = next(line.strip() for line in done.out.splitlines() if "/console/sign-in/" in line)
    assert link.startswith("http://localhost:")
    path = httpx.URL(link).path
    assert served.plane.call("POST", path, headers={}).status_code == 303


@pytest.mark.usefixtures("served")
def test_the_link_is_printed_as_json(ctl: Ctl) -> None:
    made = json.loads(ctl("console", "--json").out)
    assert made.keys() == {"url", "expires"}


@pytest.mark.usefixtures("served")
def test_a_socket_has_no_link(ctl: Ctl, tmp_path: Path) -> None:
    done = ctl("--api", f"unix:{tmp_path}/api.sock", "console")
    assert done.code == 2
    assert "a browser needs a URL, not a socket" in done.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://localhost:8080"),
        ("https://dns.example.org", "https://dns.example.org"),
        ("https://dns.example.org/control", "https://dns.example.org/control"),
    ],
)
def test_a_loopback_address_becomes_a_name(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_a_browser_needs_a_display() -> None:
    assert has_display({"DISPLAY": ":0"})
    assert has_display({"WAYLAND_DISPLAY": "wayland-0"})
