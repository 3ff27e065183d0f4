"""What all pages share: their headers, languages, texts that cannot become markup, and what they may call."""

import pytest

from api.application import routes
from api.console.frame.language import COOKIE, accepted
from api.console.frame.rendering import render
from api.console.frame.security_headers import HEADERS
from api.console.frame.static_files import contents, url_of
from api.console.router import page_routes
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session

HOSTILE = "<script>alert(1)</script>\u202egnp.exe\x07"


def test_every_answer_has_the_headers_of_the_console(session: Session) -> None:
    for path in ("/console", "/console/sign-in", "/console/styles", "/console/sign-in/x"):
        answer = session.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS), path
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_pages_call_only_operations_that_exist() -> None:
    known = {route.operation_id for route in routes()}
    assert {name for page in page_routes() for name in page.operations} <= known


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("nl-BE,nl;q=0.9,en;q=0.5", "nl"),
        ("es, de;q=0.3", "de"),
        ("fr;q=0, nl;q=0.1", "nl"),
        ("es", "en"),
        ("", "en"),
        ("nl;q=9, x=1", "en"),
    ],
)
def test_the_language_is_the_first_of_the_browsers_that_the_console_has(header: str, language: str) -> None:
    assert accepted(header) == language


def test_a_chosen_language_is_kept_and_leads_back_to_the_page(session: Session) -> None:
    answer = session.get("/console/language/nl?back=/console/styles")
    assert answer.headers["location"] == "/console/styles"
    chosen = answer.headers["set-cookie"].partition(";")[0]
    assert chosen == f"{COOKIE}=nl"
    assert '<html lang="nl">' in session.get("/console", Cookie=f"{session.cookie}; {chosen}").text


@pytest.mark.parametrize("back", ["//example.org", "https://example.org", "/console//example.org", "/v1/self", ""])
def test_choosing_a_language_leads_to_no_other_site(back: str, session: Session) -> None:
    assert session.get(f"/console/language/nl?back={back}").headers["location"] == "/console"


def test_texts_are_shown_as_text() -> None:
    page = bytes(render("error.html.jinja", "en", title=HOSTILE, detail=HOSTILE, request="", status=404).body).decode()
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\u202egnp.exe\x07" in page


def test_files_are_kept_for_a_year_under_their_digest(plane: Plane) -> None:
    for name in contents():
        answer = plane.call("GET", url_of(name), headers={})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plane.call("GET", "/console/static/0000/console.css", headers={}).status_code == 404


def test_a_page_that_does_not_exist_says_so_in_the_language_of_the_browser(session: Session) -> None:
    answer = session.get("/console/no-such-page")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
