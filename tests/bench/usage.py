"""Twenty nodes report usage at the level `range`: for how long each transaction holds the database's only lock."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from api.db.models import NodeRow
from api.db.session import Database
from api.usage.intake import UsageIntake
from api.usage.schemas import UsageBatch
from tests.bench.large import authority_of, prefix_of

NODES, SERVICES_EACH, GOAL_MS = 20, 3, 50.0
_MINUTE_S = 60


class Measured(Database):
    """A database that notes what each writing transaction takes: milliseconds, those of CPU time, and statements."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.taken: list[tuple[float, float, int]] = []
        self._statements = 0
        event.listen(self.engine, "before_cursor_execute", self._note)

    def _note(self, _: object, __: object, ___: object, parameters: Sequence[Any], ____: object, many: bool) -> None:
        self._statements += len(parameters) if many else 1

    @contextmanager
    def writing(self, *, is_background: bool = False) -> Iterator[Session]:
        """Open a transaction, and note what it takes. No other writer keeps it waiting here."""
        begun, used, statements = time.perf_counter(), time.thread_time(), self._statements
        with super().writing(is_background=is_background) as session:
            yield session
        taken_ms, used_ms = 1000 * (time.perf_counter() - begun), 1000 * (time.thread_time() - used)
        self.taken.append((taken_ms, used_ms, self._statements - statements))


def batch(node: int, ranges: int, authorities: int, services: Sequence[str], now_s: int) -> UsageBatch:
    """Return what a node counted in the minute before `now_s`: it has its share of the ranges."""
    own = range(node, ranges, NODES)
    said = {"ground": "own", "result": "refused", "queries": 7}
    counts = [
        {
            **said,
            "authority": authority_of(number, authorities),
            "ban_authority": authority_of(number, authorities),
            "service": services[(number + further) % len(services)],
            "range": {"site": "default", "prefix": prefix_of(number)},
        }
        for number in own
        for further in range(SERVICES_EACH)
    ]
    begun, ended = (datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (now_s - _MINUTE_S, now_s))
    return UsageBatch.model_validate(
        {
            "stream": f"{node:032x}",
            "sequence": 1,
            "from": begun,
            "until": ended,
            "counts": counts,
            "ranges": [{"prefix": prefix_of(number), "queries": 50} for number in own],
        }
    )


def show_storing(state: Path, ranges: int, authorities: int, services: Sequence[str]) -> None:
    """Store a batch of each node in a control plane's database, which nobody else uses, and print the figures."""
    now_s, known = int(time.time()), dict.fromkeys(services)
    database = Measured(f"sqlite:///{state / 'dnsfilter.sqlite3'}")
    try:
        numbers = _register(database, now_s)
        database.taken.clear()
        intake = UsageIntake(database, lambda: known, lambda: now_s)
        for place, number in enumerate(numbers):
            intake.take(number, "default", batch(place, ranges, authorities, services, now_s), 0)
        intake.store_held()
        _show(database.taken)
    finally:
        database.close()


def _register(database: Database, now_s: int) -> Sequence[int]:
    with database.writing() as session:
        rows = [
            NodeRow(name=f"counts-{place}", site="default", registered_s=now_s, revision=1) for place in range(NODES)
        ]
        session.add_all(rows)
        session.flush()
        return [row.number for row in rows]


def _show(taken: Sequence[tuple[float, float, int]]) -> None:
    held, used, statements = (sorted(values) for values in zip(*taken, strict=True))
    kept = "kept" if held[len(held) * 95 // 100] <= GOAL_MS else "MISSED"
    print(
        f"{'usage of 20 nodes':24} {len(taken)} transactions hold the lock for p50 {held[len(held) // 2]:.0f} ms, "
        f"p95 {held[len(held) * 95 // 100]:.0f} ms, goal {GOAL_MS:.0f} ms, {kept}; max {held[-1]:.0f} ms; "
        f"CPU p50 {used[len(used) // 2]:.0f} ms, max {used[-1]:.0f} ms; at most {statements[-1]} statements",
        flush=True,
    )
