"""What the API refuses is shown in the language of the page, or marked as English."""

from dataclasses import replace

import pytest

from api.console.frame.calls import one_text, said_by_api
from api.console.frame.language import COOKIE
from api.console.frame.rendering import render
from dnsfilter.translatable import Text
from tests.unit.api.console.conftest import Session, signed_in

REASON = "the library app does not work"
PLAIN = "nothing <b>like</b> it"


def in_language(session: Session, language: str) -> Session:
    return replace(session, cookie=f"{session.cookie}; {COOKIE}={language}")


@pytest.mark.parametrize(
    ("language", "short", "unknown"),
    [
        ("en", "give at least 3 characters", "No request 99."),
        ("nl", "geef minstens 3 tekens", "Nummer 99 bestaat niet (request)."),
        ("fr", "donnez au moins 3 caractères", "Le numéro 99 n&#39;existe pas (request)."),
        ("de", "geben Sie mindestens 3 Zeichen an", "Die Nummer 99 gibt es nicht (request)."),
    ],
)
def test_faults_and_refusals_are_in_the_language_of_the_page(
    session: Session, language: str, short: str, unknown: str
) -> None:
    visitor = in_language(session, language)
    answer = visitor.send("/console/suspend", authority="town", reason="n", **{"for": "2h"})
    assert (answer.status_code, answer.text.count(short)) == (422, 2), "in the summary and next to the field"
    missing = visitor.get("/console/requests/99")
    assert (missing.status_code, unknown in missing.text) == (404, True), missing.text


def test_a_missing_role_is_named_in_the_language_of_the_page(session: Session) -> None:
    _, token = session.plane.account("desk", ("operator", "town"))
    refused = in_language(signed_in(session.plane, token), "nl").send("/console/suspend", authority="*", reason=REASON)
    assert "hiervoor is de rol beheerder nodig: zonder overheid betreft het alle overheden" in refused.text


def test_a_conflict_has_its_time_in_the_language_of_the_page(session: Session) -> None:
    visitor = in_language(session, "fr")
    assert visitor.send("/console/suspend", authority="town", reason=REASON, **{"for": "2h"}).status_code == 303
    again = visitor.send("/console/suspend", authority="town", reason=REASON, **{"for": "1h"})
    assert "Les interdictions de town sont déjà suspendues jusqu&#39;au " in again.text
    assert "Mettez fin à la suspension" in again.text


def test_a_row_of_a_table_has_its_faults_in_the_language_of_the_page(session: Session) -> None:
    table = "prefix,authority,funding,audience\n192.0.2.1/24,twon,public,staff\n"
    answer = in_language(session, "de").send("/console/networks/import", table=table, do="check")
    assert "1 Zeile kann nicht importiert werden: Es wurde nichts getan" in answer.text
    assert "ist nicht der Anfang eines Netzes: Schreiben Sie 192.0.2.0/24" in answer.text


def test_a_text_without_a_template_is_marked_as_english() -> None:
    def page(language: str, text: str) -> str:
        answer = render(
            "error.html.jinja", language, status=409, title="", detail=text, advice="", faults=(), request="1"
        )
        return bytes(answer.body).decode()

    escaped = "nothing &lt;b&gt;like&lt;/b&gt; it"
    assert f'<p><span lang="en">{escaped}</span></p>' in page("nl", said_by_api(PLAIN))
    assert f"<p>{escaped}</p>" in page("en", said_by_api(PLAIN))
    assert "<p>is leeg; ontbreekt</p>" in page("nl", one_text([Text("is empty"), Text("is missing")]))
    assert '<span lang="en">is empty; ' in page("nl", one_text([Text("is empty"), said_by_api(PLAIN)]))
