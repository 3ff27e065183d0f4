"""All pages: what they ask of the database, and what they show of it."""

from pathlib import Path

import pytest

from api.console.router import page_routes
from blocklists.catalogue import Catalogue
from tests.support.filled_plane import PAGES, fill, page_of, slug_of
from tests.support.hostile_texts import MARK, breaches, spoil
from tests.support.statements import statements
from tests.unit.api.conftest import make_plane
from tests.unit.api.console.conftest import signed_in

pytestmark = pytest.mark.heavy

SHOWN = 1
"""The authority that pages are about."""
WITHOUT_ROWS = frozenset(
    {
        "/console/sign-in",
        "/console/sign-in/{code}",
        "/console/sign-in/oidc",
        "/console/sign-in/oidc/callback",
        "/console/language/{language}",
        "/console/passkeys/options/sign-in",
        "/console/passkeys/options/{purpose}",
        "/console/{rest:path}",
    }
)
WITHOUT_DATA = "/console/styles"


def test_every_page_with_rows_has_an_address() -> None:
    opened = {route.path for route in page_routes() if "GET" in (route.methods or ())}
    assert opened - WITHOUT_ROWS == PAGES.keys(), "add an address to tests/support/filled_plane.py"


def test_a_page_executes_as_many_statements_for_many_rows_as_for_few(tmp_path: Path, packaged: Catalogue) -> None:
    few = executed(tmp_path / "few", packaged, authorities=3, days=2, acting=2)
    assert executed(tmp_path / "many", packaged, authorities=9, days=8, acting=4) == few


def executed(directory: Path, services: Catalogue, *, authorities: int, days: int, acting: int) -> dict[str, list[int]]:
    """Return how many statements each page executes for an administrator and for an operator."""
    plane = make_plane(directory, services)
    plane.publisher.publish_current()
    fill(plane, authorities, days, acting)
    visitors = [signed_in(plane), signed_in(plane, plane.account("desk", ("operator", slug_of(SHOWN)))[1])]
    found: dict[str, list[int]] = {}
    for path in PAGES:
        address = page_of(path, plane, SHOWN)
        for session in visitors if address else ():
            # The first request of a kind fills caches.
            session.get(address)
            with statements(plane.database) as made:
                assert session.get(address).status_code in (200, 403), address
            found.setdefault(path, []).append(len(made))
    plane.database.close()
    return found


def test_every_page_shows_hostile_texts_as_text(tmp_path: Path, packaged: Catalogue) -> None:
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    fill(plane, authorities=3, days=2, acting=2)
    session = signed_in(plane)
    spoil(plane.database.engine)
    for path in PAGES:
        address = page_of(path, plane, 1)
        answer = session.get(address) if address else None
        if answer is None or not answer.headers["content-type"].startswith("text/html"):
            continue
        assert answer.status_code == 200, address
        assert list(breaches(answer.text)) == [], address
        assert MARK in answer.text or path == WITHOUT_DATA, f"{address} shows no text of the database"
    plane.database.close()


@pytest.mark.parametrize(
    "page",
    [
        "<p><img src=x></p>",
        "<script>alert(1)</script>",
        '<script src="//elsewhere.example.org/x.js"></script>',
        "<p onclick=x>",
        '<a href="javascript:x">',
        "<p style=x>",
        "a\u202eb",
        "a\x1bb",
    ],
)
def test_a_page_that_data_breaks_is_noticed(page: str) -> None:
    assert list(breaches(page))
