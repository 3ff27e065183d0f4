"""Reports with half a year of usage: `python -m tests.bench.reports` prints how long each takes over HTTP.

A hundred authorities have a ban each. The first one's ban also applies in all others, which is the largest report.
"""

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from api.db.models import BypassDayRow, UsageDayRow
from api.db.session import Database
from tests.support.control_planes import Api
from tests.support.many_authorities import MAX_AUTHORITIES, SERVICE, body_of, policy_text

DAYS, SAMPLES = 184, 10
OTHER_SERVICES = ("facebook", "instagram", "snapchat", "x")
KINDS = ("canary", "relay", "ddr", "encrypted_dns")
GOAL_MS = 2_000.0


def counts(last: date) -> list[UsageDayRow | BypassDayRow]:
    """Return half a year of counts up to `last`: own bans, the first authority's ban elsewhere, and bypass."""
    rows: list[UsageDayRow | BypassDayRow] = []
    for number in range(MAX_AUTHORITIES):
        slug = body_of(number)
        for back in range(DAYS):
            day = (last - timedelta(days=back)).isoformat()
            bans = [(SERVICE, slug, "own"), *((service, slug, "own") for service in OTHER_SERVICES)]
            bans += [(SERVICE, body_of(0), "law")] if number else []
            for service, ban_authority, ground in bans:
                for result in ("refused", "monitored", "exempted"):
                    ban = {"service": service, "ban_authority": ban_authority, "ground": ground, "result": result}
                    rows.append(UsageDayRow(authority=slug, day=day, queries=(number * back) % 977, **ban))
            rows += [BypassDayRow(authority=slug, day=day, kind=kind, queries=back % 41) for kind in KINDS]
    return rows


def ask(api: Api, method: str, path: str, body: object = None) -> bytes:
    """Return the body of the answer to a request of the administrator."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)
    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status < 300, content
    connection.close()
    return content


def measure(api: Api, path: str, samples: int) -> tuple[list[float], int]:
    """Return how many milliseconds each of `samples` answers took, in order of size, and the size of an answer."""
    taken, size = [], 0
    for _ in range(samples):
        begun = time.perf_counter()
        size = len(ask(api, "GET", path))
        taken.append(1_000 * (time.perf_counter() - begun))
    return sorted(taken), size


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the control plane, measure, and print a line for each report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args(arguments)
    last = date.today()  # noqa: DTZ011
    first = last - timedelta(days=DAYS - 1)
    with tempfile.TemporaryDirectory() as directory, Api(Path(directory) / "api", policy_text(MAX_AUTHORITIES)) as api:
        law = {"ban": f"{body_of(0)}/{SERVICE}", "ground": "law", "instrument": "ordinance 1", "date": "2026-01-01"}
        for number in range(1, MAX_AUTHORITIES):
            ask(api, "POST", "/v1/bindings", {**law, "authority": body_of(number)})
        rows = counts(last)
        database = Database(f"sqlite:///{api.state / 'dnsfilter.sqlite3'}")
        with database.writing() as session:
            session.add_all(rows)
        database.close()
        print(f"{len(rows):,} rows of usage; goal: {GOAL_MS:.0f} ms")
        for name, slug in (("bound in 99 authorities", body_of(0)), ("bound in none", body_of(7))):
            for form in ("json", "md", "html"):
                path = f"/v1/authorities/{slug}/bans/{SERVICE}/report?from={first}&to={last}&format={form}"
                taken, size = measure(api, path, options.samples)
                print(
                    f"{name}, {form}: median {taken[len(taken) // 2]:.0f} ms, most {taken[-1]:.0f} ms, {size:,} bytes"
                )


if __name__ == "__main__":
    main()
