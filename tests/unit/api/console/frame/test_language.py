"""The language of a page, and how a visitor chooses it."""

import pytest

from api.console.frame.language import COOKIE, accepted
from tests.unit.api.console.conftest import Session


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
