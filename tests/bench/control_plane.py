"""Measure the control plane with very many authorities: `python -m tests.bench.control_plane [NUMBER] [--write]`.

A policy file provides 1,000 authorities with a ban each, and 10,000 ranges. The bench prints milliseconds: of compiling
the complete policy, and of checking and compiling as an act does, also with exemptions by weekly hours. It prints those
of NUMBER toggles (default: 100) until the first changed answer of a node that pulls its snapshots over HTTP. It prints
those of decisions, each of another authority, and of pages of lists, with 200 nodes that each reported 100 unregistered
networks, and the requests a second of several clients. The time of a toggle is counted from its request, and from its
commit. Publishing directly follows the commit, so the API under test prints when it
begins, by the clock that all processes share. The goals stand next to the figures. `--write` puts them into
docs/explanation/performance.md. The bench needs the programs of `make components`, and two idle cores.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import httpx

from api.main import main as run_api
from api.publish.service import Publisher
from blocklists.catalogue import load_catalogue
from dnsfilter.policy.faults import problems
from dnsfilter.policy.model import Mode, Policy, WeeklyHours
from dnsfilter.policy.rows import without_ended_exemptions
from dnsfilter.snapshot.compiler import KEPT_PAST_S, compile_policy
from tests.bench import document
from tests.bench.large import authority_of, make_ranges, policy_text, prefix_of
from tests.bench.toggle import RANGE, REFUSED, ControlPlane, Watcher, enrolled, p95, show_machine, switched
from tests.support.knot import Knot
from tests.support.policies import ban, exemption, policy
from tests.support.zone_texts import zone

AUTHORITIES, TOGGLES, COMPILATIONS, CHECKS, REQUESTS = 1_000, 100, 5, 20, 40
OVER, IN_FORCE, YEAR_S = 2_000, 100, 365 * 86_400
NODES, UNREGISTERED_PLACES = 200, 100
CLIENTS, BUSY_S = 4, 4.0
DECIDED, DECISION_MS = "deepseek", 250.0
SERVICE, NAME = "tiktok", "www.tiktok.com"
COMPILE_MS, FROM_REQUEST_MS, FROM_COMMIT_MS, PAGE_MS = 1_000.0, 250.0, 100.0, 50.0
PAGES = (
    *("/v1/bans", "/v1/bans?limit=200", "/v1/bans?state=in_force&limit=200", "/v1/bans?state=ending"),
    *("/v1/authorities?limit=200", "/v1/ranges?limit=200", "/v1/ranges?funding=public&limit=200", "/v1/bindings"),
    *("/v1/exemptions", "/v1/suspensions", "/v1/suspensions/local", "/v1/nodes", "/v1/nodes?limit=200"),
    *("/v1/nodes?state=behind&limit=200", "/v1/nodes?behind=true", "/v1/unregistered", "/v1/unregistered?limit=200"),
    *("/v1/revisions", "/v1/audit", "/v1/audit?limit=200"),
)
_COMMITTED = re.compile(r"^committed ([0-9.]+)$", re.MULTILINE)


def serve(arguments: Sequence[str]) -> int:
    """Run `dnsfilter-api`, and print when each act is committed."""
    publish = Publisher.publish

    def reported(self: Publisher, made: Policy) -> None:
        print(f"committed {time.monotonic():.6f}", flush=True)
        publish(self, made)

    with patch.object(Publisher, "publish", reported):
        return run_api(arguments)


@dataclass(slots=True)
class Results:
    """The rows of the result."""

    rows: list[str] = field(default_factory=list)

    def add(self, what: str, values: Sequence[float], goal: float) -> None:
        """Print milliseconds, and keep them. The goal is one for p95."""
        median, kept = sorted(values)[len(values) // 2], "" if p95(values) <= goal else ", missed"
        self.print(what, f"{median:.1f}", f"{p95(values):.1f}", f"{max(values):.1f}", f"{goal:.0f}{kept}")

    def print(self, what: str, *cells: str) -> None:
        """Print a row, and keep it."""
        self.rows.append(f"| {' | '.join((what, *cells))} |")
        print(f"{what:50} {''.join(f'{cell:>12}' for cell in cells)}", flush=True)

    def table(self) -> str:
        """Return the rows as a Markdown table."""
        head = "| what | p50 ms | p95 ms | highest | goal of p95 |\n|---|---:|---:|---:|---:|"
        measured = f"- measured: {datetime.now(UTC):%Y-%m-%d}\n"
        return "\n".join([measured, head, *self.rows, ""])


def everything() -> Policy:
    """Return the complete policy, made without a file."""
    services = [entry.service() for entry in load_catalogue().entries]
    bans = (ban(number, authority_of(number, AUTHORITIES), SERVICE) for number in range(1, AUTHORITIES + 1))
    return policy(*make_ranges(authorities=AUTHORITIES), *services, *bans)


def compiling(made: Policy) -> list[float]:
    """Return the milliseconds of compiling everything, including names, without an earlier result."""
    taken = []
    for _ in range(COMPILATIONS):
        begun = time.perf_counter()
        compile_policy(made, int(time.time()))
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


def checking(made: Policy, exemptions: int, first_s: int, last_s: int) -> list[float]:
    """Return the milliseconds of checking and compiling as each toggle does before its commit.

    Exemptions by weekly hours begin and end `first_s` to `last_s` seconds from now.
    """
    now_s = int(time.time())
    hours = (WeeklyHours(frozenset(range(5)), 9 * 60, 12 * 60, "Europe/Brussels"),)
    numbers = [1 + place % AUTHORITIES for place in range(exemptions)]
    given = (
        exemption(1 + place, number, [prefix_of(number)], now_s + first_s, now_s + last_s, hours)
        for place, number in enumerate(numbers)
    )
    made = replace(made, exemptions=tuple(given))
    sound, before = without_ended_exemptions(made, now_s - KEPT_PAST_S), compile_policy(made, now_s)
    off = replace(made, bans=(replace(made.bans[0], mode=Mode.OFF), *made.bans[1:]))
    taken = []
    for number in range(CHECKS):
        toggled = made if number % 2 else off
        begun = time.perf_counter()
        problems(without_ended_exemptions(toggled, now_s - KEPT_PAST_S), sound)
        before = compile_policy(toggled, now_s, names=before.names, before=before)
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


def reading(client: httpx.Client, path: str) -> list[float]:
    """Return the milliseconds of each request for a page."""
    taken = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        client.get(path).raise_for_status()
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


def populate(client: httpx.Client) -> None:
    """Enrol nodes that each report once, with different unregistered networks."""
    clock = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    load = {"queries_per_second": 900.0, "cpu_percent": 3.5, "memory_bytes": 2**28, "cache_entries": 100_000}
    said = {"revision": 1, "manifest": 64 * "0", "age_s": 3, "version": "1", "engine": "compiled", "workers": 2}
    for number in range(NODES):
        body = {"name": f"node-{number}", "site": "default"}
        invited = client.post("/v1/nodes", json=body).raise_for_status().json()["enrolment_token"]
        headers = {"Authorization": f"Bearer {invited}"}
        own = client.post("/v1/nodes/enrol", json={"version": "1"}, headers=headers).raise_for_status().json()["token"]
        unregistered = [
            {"prefix": f"198.{18 + place % 2}.{number + place // 2}.0/24", "queries": 7, "seen_s_ago": place}
            for place in range(UNREGISTERED_PLACES)
        ]
        report = {**said, "clock": clock, "uptime_s": 60, "load": load, "unregistered": unregistered}
        headers = {"Authorization": f"Bearer {own}"}
        client.post("/v1/nodes/self/report", json=report, headers=headers).raise_for_status()


def deciding(client: httpx.Client) -> list[float]:
    """Return the milliseconds of adopting a ban, each for another authority."""
    decision = {
        "organ": "council",
        "reference": "EXAMPLE-2",
        "legal_basis": "council",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    taken = []
    for number in range(REQUESTS):
        path = f"/v1/authorities/{authority_of(number, AUTHORITIES)}/bans/{DECIDED}"
        body = {"decision": decision, "terms": [{"for": "6 months"}]}
        begun = time.perf_counter()
        answer = client.put(path, json=body, headers={"If-None-Match": "*"})
        if answer.is_error:
            raise RuntimeError(f"PUT {path}: {answer.text}")
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


def requests_per_second(client: httpx.Client, path: str) -> float:
    """Return how many requests for a page several clients get answered in a second."""
    until = time.monotonic() + BUSY_S

    def busy(_: int) -> int:
        done = 0
        while time.monotonic() < until:
            client.get(path).raise_for_status()
            done += 1
        return done

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(busy, range(CLIENTS))) / BUSY_S


def toggling(control: ControlPlane, client: httpx.Client, upstream: str, number: int, results: Results) -> None:
    """Toggle one of the thousand bans, and add how long its node takes to change its answers."""
    path = f"/v1/authorities/{authority_of(RANGE, AUTHORITIES)}/bans/{SERVICE}"
    requests: list[float] = []

    def switch(on: bool) -> float:
        requests.append(time.monotonic())
        client.patch(path, json={"mode": "enforce" if on else "off"}).raise_for_status()
        return requests[-1]

    with enrolled(control, client, upstream) as node, Watcher(node.port, NAME) as watcher:
        before = len(_COMMITTED.findall(control.log.read_text()))
        complete, after = switched(watcher, number, REFUSED, switch)
    effects = [request + taken / 1000 for request, taken in zip(requests, complete, strict=True)]
    commits = [float(text) for text in _COMMITTED.findall(control.log.read_text())[before:]]
    since = [1000 * (effect - commit) for effect, commit in zip(effects, commits, strict=True)]
    results.add("toggle to effect, from the request", complete, FROM_REQUEST_MS)
    results.add("toggle to effect, from the commit", since, FROM_COMMIT_MS)
    results.add("toggle to effect, from the response", after, FROM_COMMIT_MS)


def main(arguments: Sequence[str]) -> int:
    """Run every measurement and print the results."""
    if arguments[:1] == ["api"]:
        return serve(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m tests.bench.control_plane")
    parser.add_argument("number", nargs="?", type=int, default=TOGGLES, help="of toggles (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/explanation/performance.md")
    options = parser.parse_args(arguments)
    results = Results()
    launcher = ("-m", "tests.bench.control_plane", "api")
    text = policy_text(authorities=AUTHORITIES, services=(SERVICE,))
    records = {"tiktok.com": zone("tiktok.com", "* 60 A 192.0.2.7\n")}
    with tempfile.TemporaryDirectory(prefix="control-plane-") as made, Knot(records) as upstream:
        show_machine(Path(made))
        made_here = everything()
        results.add("compiling the complete policy", compiling(made_here), COMPILE_MS)
        lapsed = checking(made_here, OVER, -2 * YEAR_S, -YEAR_S)
        results.add(f"checking a toggle, {OVER:,} exemptions over", lapsed, FROM_REQUEST_MS)
        held = checking(made_here, IN_FORCE, -3600, YEAR_S - 3600)
        results.add(f"checking a toggle, {IN_FORCE} exemptions by hours", held, FROM_REQUEST_MS)
        begun = time.monotonic()
        with ControlPlane(Path(made) / "all", text, launcher) as control:
            print(f"loading the policy file, and starting: {time.monotonic() - begun:.1f} s")
            headers = {"Authorization": f"Bearer {(control.state / 'admin-token').read_text().strip()}"}
            url = f"http://127.0.0.1:{control.port}"
            with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
                toggling(control, client, upstream.hostport, options.number, results)
                results.add("adopting a ban", deciding(client), DECISION_MS)
                populate(client)
                for path in PAGES:
                    results.add(f"`{path}`", reading(client, path), PAGE_MS)
                for path in ("/v1/bans", "/v1/authorities?limit=200"):
                    rate = f"{requests_per_second(client, path):.0f} a second"
                    results.print(f"`{path}`, requests of {CLIENTS} clients", rate, "", "", "")
    if options.write:
        document.write("control plane", results.table())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
