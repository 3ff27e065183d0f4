"""The names behind a ban: those of its groups first, in pages."""

import pytest

from api.console.bans import names_behind
from tests.unit.api.console.conftest import Session

PAGE = "/console/bans/town/alpha/names"


def test_the_names_of_the_groups_that_a_ban_covers_come_first(session: Session) -> None:
    session.plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"tiers": [2]})
    page = session.shown(PAGE)
    assert page.index("<code>alpha2.example.org</code>") < page.index("<code>alpha1.example.org</code>")
    assert page.index("covered by the ban") < page.index("not covered by the ban")


def test_many_names_have_pages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_behind, "PER_PAGE", 1)
    first, second = session.shown(PAGE), session.shown(f"{PAGE}?page=2")
    assert "<code>alpha1.example.org</code>" in first
    assert "<code>alpha2.example.org</code>" not in first
    assert f'href="{PAGE}?page=2"' in first
    assert "<code>alpha2.example.org</code>" in second
    assert f'href="{PAGE}?page=3"' not in second


@pytest.mark.parametrize("page", ["0", "x"])
def test_an_invalid_page_is_refused(session: Session, page: str) -> None:
    assert session.get(f"{PAGE}?page={page}").status_code == 422
