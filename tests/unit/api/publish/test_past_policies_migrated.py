"""Past policies in a database of an earlier version."""

from typing import Any

import pytest
from sqlalchemy import select

from api.db.models import PublicationRow
from dnsfilter.snapshot.compiler import compile_without_names
from tests.support.earlier import set_back
from tests.unit.api.conftest import START, Plane, on_both_databases

BAN = "/v1/authorities/town/bans/alpha"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the instants for which past policies are compiled."""
    found: list[int] = []

    def counted(policy: Any, made_s: int) -> Any:
        found.append(made_s)
        return compile_without_names(policy, made_s)

    monkeypatch.setattr("api.publish.recompiled.compile_without_names", counted)
    return found


def _trace(plane: Plane, at: str) -> tuple[str, bool | None]:
    answer = plane.done("GET", "/v1/trace", params={"client": "192.0.2.9", "name": "alpha1.example.org", "at": at})
    return answer["decision"]["verdict"], answer["reproduced"]


@on_both_databases
def test_old_publication_is_searched_and_a_new_one_compiled_once(town: Plane, compiled: list[int]) -> None:
    town.clock.now = START + 60
    town.done("PATCH", BAN, {"mode": "monitor"})
    town.publisher.settle()
    set_back(town.database, "0006")
    town.database.migrate()
    town.clock.now = START + 120
    town.done("PATCH", BAN, {"mode": "enforce"})
    town.publisher.settle()
    town.clock.now = START + 180
    with town.database.reading() as session:
        made = session.scalars(select(PublicationRow.made_s).order_by(PublicationRow.id)).all()
    assert made == [None] * (len(made) - 1) + [START + 120]
    assert _trace(town, "2026-09-21T14:15:00Z") == ("monitor", True)
    compiled.clear()
    assert _trace(town, "2026-09-21T14:16:00Z") == ("refuse", True)
    assert compiled == [START + 120]


def test_altered_new_publication_is_compiled_once(town: Plane, compiled: list[int]) -> None:
    town.publisher.settle()
    with town.database.writing() as session:
        for row in session.scalars(select(PublicationRow)):
            row.rules = row.ranges
    assert _trace(town, "2026-09-21T14:13:20Z") == ("refuse", False)
    assert compiled == [START]
