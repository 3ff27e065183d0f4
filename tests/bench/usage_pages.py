"""Pages of usage with half a year of it: `python -m tests.bench.usage_pages` prints how long a page takes over HTTP.

A hundred authorities have ten services with three results a day. One of them also has ten ranges with six counts each
hour for 92 days, and queries of small ranges each day, so that its days may be split.
"""

import argparse
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from time import time

from tests.bench.reports import ask, measure
from tests.support.control_planes import Api
from tests.support.many_authorities import MAX_AUTHORITIES, body_of, policy_text

DAYS, HOURS, SAMPLES = 184, 92 * 24, 100
SERVICES = (
    "tiktok", "capcut", "instagram", "facebook", "snapchat", "x", "youtube", "whatsapp", "telegram", "encrypted_dns",
)  # fmt: skip
RESULTS = ("refused", "monitored", "exempted")
RANGES, OF_RANGES = 10, 2
"""Ranges, and services that each of them has queries for."""
SPLIT_DAY = 100_000
"""Queries of a day of the authority with ranges: more than its ranges have."""
GOAL_MS = 50.0


def days(last: date) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `usage_days`, in the order in which nodes bring them."""
    for back in reversed(range(DAYS)):
        day = (last - timedelta(days=back)).isoformat()
        for number in range(MAX_AUTHORITIES):
            slug = body_of(number)
            for service in SERVICES:
                for result in RESULTS:
                    queries = (number * back) % 977 if number else SPLIT_DAY
                    yield slug, day, service, slug, "own", result, queries


def hours(now_s: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `usage_hours` of one authority."""
    slug, this_hour_s = body_of(0), now_s - now_s % 3600
    for back in reversed(range(HOURS)):
        for number in range(RANGES):
            hour_s = this_hour_s - 3600 * back
            for service in SERVICES[:OF_RANGES]:
                for result in RESULTS:
                    yield slug, hour_s, "default", f"10.0.{number}.0/24", service, slug, "own", result, back % 41


def filled(file: Path, last: date) -> Iterator[str]:
    """Fill the database, and yield a line for each table about its growth."""
    with closing(sqlite3.connect(file)) as connection:
        for table, rows, unit, count in (
            ("usage_days", days(last), "authority and day", MAX_AUTHORITIES * DAYS),
            (
                "usage_hours",
                hours(int(time())),
                "range, hour, service and result",
                RANGES * HOURS * OF_RANGES * len(RESULTS),
            ),
        ):
            before = _size(connection)
            marks = ", ".join("?" * (7 if table == "usage_days" else 9))
            with connection:
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            grown = _size(connection) - before
            yield f"{table}: {grown / 1e6:.1f} MB, {grown / count:.0f} bytes for each {unit}"


def _size(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the control plane, measure, and print a line for each kind of page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args(arguments)
    last = date.today()  # noqa: DTZ011
    first = last - timedelta(days=DAYS - 1)
    with tempfile.TemporaryDirectory() as directory, Api(Path(directory) / "api", policy_text(MAX_AUTHORITIES)) as api:
        for line in filled(api.state / "dnsfilter.sqlite3", last):
            print(line)
        print(f"goal: {GOAL_MS:.0f} ms at p95")
        period = f"from={first}&to={last}"
        for name, query in (
            ("by day, 50 of 5,520", period),
            ("by day, 200 of 5,520", f"{period}&limit=200"),
            ("by day, one service, 200 of 552", f"{period}&limit=200&service=tiktok"),
            ("by hour, 200", f"{period}&by=hour&limit=200"),
            ("by range", f"{period}&by=range"),
            ("by day, CSV of 5,520", f"{period}&format=csv"),
        ):
            number = 0 if "by=" in query else random.randrange(1, MAX_AUTHORITIES)
            path = f"/v1/usage?authority={body_of(number)}&{query}"
            ask(api, "GET", path)
            taken, size = measure(api, path, options.samples)
            middle, high = taken[len(taken) // 2], taken[len(taken) * 95 // 100]
            print(f"{name}: median {middle:.1f} ms, p95 {high:.1f} ms, {size:,} bytes")


if __name__ == "__main__":
    main()
