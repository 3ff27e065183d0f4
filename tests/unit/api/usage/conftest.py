"""Batches as nodes report them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from api.db.models import UsageHourRow
from api.timestamps import stored_instant, timestamp_text
from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine, machine, unheard

__all__ = ["machine", "unheard"]

STREAM = "0123456789abcdef0123456789abcdef"


class Hour(NamedTuple):
    """A stored count of an hour."""

    authority: str
    site: str
    prefix: str
    hour_s: int
    service: str
    ban_authority: str
    ground: str
    result: str
    queries: int


def hours(plane: Plane, authority: str = "town") -> list[Hour]:
    """Return the stored counts of an authority's hours, in order."""
    columns = [getattr(UsageHourRow, name) for name in Hour._fields]
    statement = select(*columns).where(UsageHourRow.authority == authority)
    with plane.database.reading() as session:
        return sorted((Hour(*row) for row in session.execute(statement)), key=lambda one: (one.hour_s, *one))


def batch(
    counts: Sequence[dict[str, Any]] = (),
    bypass: Sequence[dict[str, Any]] = (),
    start: str = "2026-09-21T14:12:20Z",
    **changes: Any,
) -> dict[str, Any]:
    """Return a batch of a minute, the last one at the start of a test's clock."""
    return {
        "stream": STREAM,
        "sequence": 1,
        "from": start,
        "until": _after_a_minute(start),
        "counts": list(counts),
        "bypass": list(bypass),
        **changes,
    }


def _after_a_minute(start: str) -> str:
    with suppress(ValueError):
        return timestamp_text(stored_instant(start) + 60)
    return start


def count(queries: int = 10, **changes: Any) -> dict[str, Any]:
    """Return refused queries of town for alpha, by its own ban."""
    return {
        "authority": "town",
        "service": "alpha",
        "ban_authority": "town",
        "ground": "own",
        "result": "refused",
        "range": None,
        "queries": queries,
        **changes,
    }


def pending(queries: int = 5, **changes: Any) -> dict[str, Any]:
    """Return queries of town for a pending name of alpha."""
    return {"authority": "town", "service": "alpha", "name": "new.example.org", "queries": queries, **changes}


def bypass(queries: int = 7, **changes: Any) -> dict[str, Any]:
    """Return attempts of town's clients to reach a resolver by encryption."""
    return {"authority": "town", "kind": "encrypted_dns", "queries": queries, **changes}


@pytest.fixture
def node(town: Plane) -> Machine:
    """Return an enrolled node of a control plane with two authorities."""
    return Machine.enrolled(town, "office-1")


def refused(queries: int = 1, **changes: Any) -> dict[str, Any]:
    """Return refused queries of one client of town, in the minute in which a test's clock starts."""
    return {
        "minute": "2026-09-21T14:13:00Z",
        "authority": "town",
        "service": "alpha",
        "ban_authority": "town",
        "ground": "own",
        "client": "0123456789abcdef",
        "queries": queries,
        **changes,
    }
