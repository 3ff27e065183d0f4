"""Pages of the console with a thousand authorities and a year of usage: `python -m tests.bench.console_pages`.

For each page the bench prints the SQL statements of one request, and the CPU milliseconds of the server: of the
administrator, who sees everything, and of an operator, who sees one authority. The requests are made within the
process, so the figures have no network in them. It returns 1 if a page misses the goal.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from cProfile import Profile
from pathlib import Path

import httpx

from blocklists.catalogue import load_catalogue
from tests.bench.audit import quantile
from tests.support.direct_requests import answer_of
from tests.support.filled_plane import PAGES, fill, page_of, slug_of
from tests.support.statements import statements
from tests.unit.api.conftest import Plane, make_plane
from tests.unit.api.console.conftest import Session, signed_in

AUTHORITIES, DAYS, ACTING, SAMPLES = 1_000, 365, 10, 40
SHOWN = 7
"""The authority that pages are about."""
GOAL_MS = 50.0
WARM = 3


def measure(session: Session, path: str, samples: int, profile: Profile | None = None) -> tuple[int, list[float]]:
    """Return the number of statements of a page, and the CPU milliseconds of each of several requests for it."""
    return asyncio.run(_measure(session, path, samples, profile))


async def _measure(session: Session, path: str, samples: int, profile: Profile | None) -> tuple[int, list[float]]:
    async def ask() -> None:
        request = httpx.Request("GET", f"http://testserver{path}", headers={"Cookie": session.cookie})
        answer = await answer_of(session.plane.app, request, "127.0.0.1")
        if answer.status_code >= 400 and answer.status_code != 403:
            raise RuntimeError(f"GET {path}: {answer.status_code} {answer.text}")

    for _ in range(WARM):
        await ask()
    with statements(session.plane.database) as executed:
        await ask()
    taken = []
    if profile is not None:
        profile.enable()
    for _ in range(samples):
        begun = time.process_time()
        await ask()
        taken.append(1000 * (time.process_time() - begun))
    if profile is not None:
        profile.disable()
    return len(executed), taken


def filled(directory: Path, authorities: int, days: int, acting: int) -> Plane:
    """Return a control plane with a year of many authorities: the one in the directory, or else a new one."""
    is_kept = (directory / "dnsfilter.sqlite3").exists()
    plane = make_plane(directory, load_catalogue())
    plane.publisher.publish_current()
    if not is_kept:
        fill(plane, authorities, days, acting)
    # As the program does after its start.
    gc.collect()
    gc.freeze()
    return plane


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Return 1 if a page misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.console_pages", description=__doc__)
    parser.add_argument("--authorities", type=int, default=AUTHORITIES, help="(%(default)s)")
    parser.add_argument("--days", type=int, default=DAYS, help="days of usage (%(default)s)")
    parser.add_argument("--acting", type=int, default=ACTING, help="authorities with nodes and requests (%(default)s)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="requests for each page (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the pages whose path holds it")
    parser.add_argument("--profile", type=Path, help="write what cProfile finds in the event loop to this file")
    parser.add_argument("--state", type=Path, help="keep the state directory here, or take the one that is here")
    options = parser.parse_args(arguments)
    profile = None if options.profile is None else Profile()
    paths = [path for path in PAGES if PAGES[path] and options.only in path]
    with tempfile.TemporaryDirectory(prefix="pages-") as made:
        state = options.state or Path(made) / "state"
        plane = filled(state, options.authorities, options.days, options.acting)
        _, operator = plane.account(f"desk-{time.time_ns()}", ("operator", slug_of(SHOWN)))
        visitors = [signed_in(plane), signed_in(plane, operator)]
        print("| page | statements | p50 ms | p95 ms | statements, operator | p50 ms | p95 ms |\n|---|" + "---:|" * 6)
        beyond = []
        for path in paths:
            cells = []
            for session in visitors:
                count, taken = measure(session, page_of(path, plane, SHOWN), options.samples, profile)
                cells += [str(count), *(f"{quantile(taken, share):.1f}" for share in (0.5, 0.95))]
                beyond += [path] if quantile(taken, 0.95) > GOAL_MS else []
            print(f"| `{path}` | {' | '.join(cells)} |", flush=True)
        plane.database.close()
    if profile is not None:
        profile.dump_stats(options.profile)
    print(f"goal: p95 of {GOAL_MS:g} ms; beyond it: {', '.join(dict.fromkeys(beyond)) or 'none'}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
