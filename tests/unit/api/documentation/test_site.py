"""/help: the pages of the documents, and nothing else of the machine."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from api.documentation import site
from tests.unit.api.conftest import Plane

SCRIPT = "document.body.dataset.theme = 'auto'"


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the directory of the pages, with a first page, a picture and a file next to it that is no page."""
    directory = tmp_path / "site"
    (directory / "tasks").mkdir(parents=True)
    (directory / "index.html").write_text(f"<p>first page</p><script>{SCRIPT}</script>")
    (directory / "tasks" / "network.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(site, "SITE", directory)
    for cached in (site._paths, site._security_policy):
        cached.cache_clear()
    yield directory
    for cached in (site._paths, site._security_policy):
        cached.cache_clear()


def test_pages_and_pictures_are_sent_with_their_type(plane: Plane, pages: Path) -> None:
    page = plane.call("GET", "/help/index.html", headers={})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "first page" in page.text
    assert plane.call("GET", "/help/tasks/network.svg", headers={}).headers["content-type"] == "image/svg+xml"
    assert plane.call("GET", "/help/index.html?q=word", headers={}).status_code == 200


def test_the_address_without_a_name_leads_to_the_first_page(plane: Plane, pages: Path) -> None:
    answer = plane.call("GET", "/help", headers={})
    assert (answer.status_code, answer.headers["location"]) == (307, "/help/index.html")


def test_a_page_runs_its_own_script_alone(plane: Plane, pages: Path) -> None:
    policy = plane.call("GET", "/help/index.html", headers={}).headers["content-security-policy"]
    known = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'self' 'sha256-{known}';" in policy


@pytest.mark.parametrize("name", ["../secret", "%2e%2e/secret", "/etc/passwd", "tasks", "", "tasks/"])
def test_other_files_are_not_found(plane: Plane, pages: Path, name: str) -> None:
    assert plane.call("GET", f"/help/{name}", headers={}).status_code == 404


def test_without_pages_the_answer_says_how_to_build_them(plane: Plane, pages: Path) -> None:
    for file in sorted(pages.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    detail = plane.call("GET", "/help/index.html", headers={}).json()["detail"]
    assert detail == 'no page "index.html". The documents are not built here. Type: make docs'
