"""The names behind a ban, by group, in pages."""

import re

import pytest

from api.console.bans import names_behind
from tests.unit.api.console.conftest import Session

PAGE = "/console/bans/town/alpha/names"


def test_groups_say_whether_the_ban_covers_them_and_show_their_names_alone(session: Session) -> None:
    session.plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"tiers": [2]})
    page = session.shown(PAGE)
    assert page.index("not covered by the ban") < page.index("covered by the ban", page.index("<dt>2"))
    assert page.index("<code>alpha1.example.org</code>") < page.index("<code>alpha2.example.org</code>")
    page = session.shown(f"{PAGE}?group=2")
    assert "Only the names of group 2." in page
    assert "<code>alpha2.example.org</code>" in page
    assert "<code>alpha1.example.org</code>" not in page


def test_many_names_have_pages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_behind, "PER_PAGE", 1)
    first = session.shown(PAGE)
    assert "<code>alpha1.example.org</code>" in first
    assert "<code>alpha2.example.org</code>" not in first
    following = re.search(r'href="([^"]+cursor=[^"]+)"', first)
    assert following is not None
    assert "<code>alpha2.example.org</code>" in session.shown(following[1])


@pytest.mark.parametrize("query", ["group=0", "group=x", "cursor=x"])
def test_an_invalid_group_or_page_is_refused(session: Session, query: str) -> None:
    assert session.get(f"{PAGE}?{query}").status_code == 422
