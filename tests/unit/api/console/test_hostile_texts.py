"""Pages show markup, control characters and overrides of the direction as text, wherever data brings them."""

from pathlib import Path

import pytest

from blocklists.catalogue import Catalogue
from tests.support.filled_plane import PAGES, fill, page_of
from tests.support.hostile_texts import MARK, breaches, spoil
from tests.unit.api.conftest import make_plane
from tests.unit.api.console.conftest import signed_in

pytestmark = pytest.mark.heavy

WITHOUT_DATA = "/console/styles"


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
