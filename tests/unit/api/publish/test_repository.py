"""Unchanged rows are read once, and rolled back changes are never read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from api.db.models import BanRow, RangeRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.publish.policy_rows import policy_of
from api.publish.repository import Policies
from tests.unit.api.conftest import Plane, authority, ban, catalogue, on_both_databases

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
RENEWAL = {"for": "2 months", "decision": {"reference": "C-2"}}
RENEWAL = {"for": "2 months", "decision": {"organ": "council", "reference": "C-2", "legal_basis": "decree 1"}}
RANGE = {"authority": "town", "funding": "public", "audience": "staff"}
ACTS: dict[str, tuple[tuple[str, str, Any], tuple[str, str, Any]]] = {
    "mode": (("PATCH", BAN, {"mode": "off"}), ("PATCH", BAN, {"mode": "monitor"})),
    "end": (
        ("POST", f"{BAN}/end", {"reason": "so decided"}),
        ("POST", f"{BAN}/end", {"reason": "so decided", "at": "2026-10-01T00:00:00Z"}),
    ),
    "term": (
        ("POST", f"{BAN}/terms", {"start": "2027-06-01T00:00:00Z", **RENEWAL}),
        ("POST", f"{BAN}/terms", {"start": "2027-07-01T00:00:00Z", **RENEWAL}),
    ),
    "authority": (
        ("PUT", "/v1/authorities/town", authority(contact="lost@example.org")),
        ("PUT", "/v1/authorities/town", authority(contact="kept@example.org")),
    ),
    "site": (("PUT", "/v1/sites/east", {"name": "lost"}), ("PUT", "/v1/sites/east", {"name": "kept"})),
    "range": (
        ("PUT", "/v1/ranges/default/192.0.2.0/24", {**RANGE, "funding": "private"}),
        ("PUT", "/v1/ranges/default/192.0.2.0/24", {**RANGE, "audience": "public"}),
    ),
    "range that comes": (
        ("PUT", "/v1/ranges/default/203.0.113.0/24", RANGE),
        ("PUT", "/v1/ranges/default/203.0.113.0/25", RANGE),
    ),
    "range that goes": (
        ("DELETE", "/v1/ranges/default/192.0.2.0/26", None),
        ("DELETE", "/v1/ranges/default/192.0.2.64/26", None),
    ),
    "binding": (
        (
            "POST",
            "/v1/bindings",
            {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "lost", "date": "2026-09-01"},
        ),
        (
            "POST",
            "/v1/bindings",
            {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "kept", "date": "2026-09-01"},
        ),
    ),
    "suspension": (
        ("POST", "/v1/suspensions", {"authority": "town", "for": "1h", "reason": "lost"}),
        ("POST", "/v1/suspensions", {"authority": "zone", "for": "2h", "reason": "kept"}),
    ),
}
"""Pairs of an act that is rolled back and one that then gets the same revision."""


@contextmanager
def _losing(plane: Plane) -> Iterator[None]:
    def refuse(_connection: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("disk I/O error"))

    event.listen(plane.database.engine, "commit", refuse)
    try:
        yield
    finally:
        event.remove(plane.database.engine, "commit", refuse)


@on_both_databases
@pytest.mark.parametrize(("lost", "done"), ACTS.values(), ids=ACTS.keys())
def test_values_of_a_rolled_back_transaction_are_not_used_later(town: Plane, lost: Any, done: Any) -> None:
    cached, services = Policies(), {service.slug: service for service in catalogue().services}
    for prefix in ("192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/26"):
        town.done("PUT", f"/v1/ranges/default/{prefix}", RANGE)
    town.done("PUT", "/v1/sites/east", {"name": "east"})

    def agree() -> None:
        with town.database.reading() as session:
            now = int(town.clock.now)
            read = Policies().load(session, now)
            assert cached.load(session, now) == read
            assert town.publisher.current(UnitOfWork(session, LOCAL, now)) == policy_of(read, services)

    agree()
    with _losing(town):
        assert town.call(*lost).status_code == 503
    agree()
    town.done(*done)
    agree()
    town.done("PUT", "/v1/sites/east", {"name": "as before"})
    agree()


def test_row_changed_without_a_new_revision_is_not_committed(town: Plane) -> None:
    with pytest.raises(RuntimeError, match="range 1 was changed without a new revision"), town.database.writing() as s:
        s.get_one(RangeRow, 1).label = "another"
    with town.database.reading() as session:
        assert session.get_one(RangeRow, 1).label != "another"


def test_toggle_reads_one_ban(town: Plane) -> None:
    town.done("PATCH", BAN, {"mode": "off"})
    for number in range(3):
        town.done("PUT", f"/v1/authorities/zone{number}", authority())
        town.done("PUT", f"/v1/authorities/zone{number}/bans/alpha", ban())
    town.done("PATCH", BAN, {"mode": "enforce"})
    read: list[int] = []

    def note(row: BanRow, _context: Any) -> None:
        read.append(row.number)

    event.listen(BanRow, "load", note)
    try:
        town.done("PATCH", BAN, {"mode": "off"})
    finally:
        event.remove(BanRow, "load", note)
    assert set(read) == {1}


def test_toggle_reads_no_prefix_again(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(town.database.engine, "before_cursor_execute", note)
    try:
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "enforce"})
    finally:
        event.remove(town.database.engine, "before_cursor_execute", note)
    assert any("UPDATE bans" in statement for statement in statements)
    # Nothing is read of tables whose rows did not change, nor of empty ones.
    assert not any(text in statement for statement in statements for text in ("ranges.prefix", "allowed_names.number,"))
