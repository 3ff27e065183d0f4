"""Measure what scrapes and usage cost: `python -m tests.bench.scrapes [NUMBER]`.

A policy file provides 1,000 authorities with ten bans each, and 10,000 ranges. A node and the API are scraped NUMBER
times each (default: 20), as Prometheus does: OpenMetrics, compressed. A node is scraped twice so: when clients of
eighty authorities have asked for a banned name, which is a large site, and when clients of 800 have asked for names of
ten banned services, which no site has. The API is scraped with and without a toggle before each scrape. The bench
prints the CPU time that a scrape takes of the supervisor and of the API, and the number of series and bytes. The first
scrape, which reads everything, has a line of its own. The goals stand next to the figures. The CPU time includes what
the programs do otherwise during a scrape.

At last the API is stopped, and twenty nodes' usage at the level `range` is stored: each has 500 ranges, and counts of
three services in each. The bench prints for how long transactions hold the database's only lock.
"""

import gc
import gzip
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import dns.message
import dns.query
import httpx

from api.serving import COLLECTED_AFTER
from blocklists.catalogue import load_catalogue
from dnsfilter.policy.model import Service
from dnsfilter.wire.names import name_text
from tests.bench.large import authority_of, client_of, policy_text, prefix_of
from tests.bench.machine import cpu_s
from tests.bench.toggle import ControlPlane, show_machine
from tests.bench.usage import show_storing
from tests.support import nodes
from tests.support.nodes import Node, Process

AUTHORITIES, RANGES, BANS, SCRAPES, ASKING = 1_000, 10_000, 10, 20, 100
NODE_MS, API_MS = 100.0, 300.0
ACCEPTED = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
SERVICE = "tiktok"
LAUNCHER = ("-m", "api.main")
PAUSE_S = 0.2
PATIENCE_S = 600.0


def scrape(port: int) -> bytes:
    """Return the compressed page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=ACCEPTED)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return bytes(response.read())


def is_loopback(number: int) -> bool:
    """Return whether clients of the range with this number can ask from this machine."""
    return prefix_of(number).startswith("127.")


def ask(node: Node, ranges: int, services: Sequence[Service]) -> None:
    """Let a client of each range ask for a name of each service."""
    questions = [dns.message.make_query(name_text(min(service.tiers[0].domains)), "A") for service in services]
    for number in filter(is_loopback, range(ranges)):
        for question in questions:
            dns.query.udp(question, "127.0.0.1", PATIENCE_S, node.port, source=client_of(number))


def show(
    what: str, program: Process, port: int, number: int, goal_ms: float, act: Callable[[int], object] = lambda _: None
) -> None:
    """Scrape, and print the figures of a program. Call `act` before each scrape."""
    assert program.process is not None
    pid, page, taken_ms = program.process.pid, b"", []
    for turn in range(number + 1):
        act(turn)
        time.sleep(PAUSE_S)
        begun_s = cpu_s(pid)
        page = scrape(port)
        taken_ms.append(1000 * (cpu_s(pid) - begun_s))
    plain, each_ms = gzip.decompress(page), sum(taken_ms[1:]) / number
    series = sum(not line.startswith(b"#") for line in plain.splitlines())
    kept = "kept" if each_ms <= goal_ms else "MISSED"
    sizes = f"{series:,} series, {len(plain):,} bytes, {len(page):,} compressed"
    print(
        f"{what:24} {each_ms:6.0f} ms CPU, goal {goal_ms:.0f} ms, {kept}; first {taken_ms[0]:.0f} ms; {sizes}",
        flush=True,
    )


def toggling(client: httpx.Client, turn: int) -> None:
    """Switch a ban off, or on again."""
    path = f"/v1/authorities/{authority_of(1, AUTHORITIES)}/bans/{SERVICE}"
    client.patch(path, json={"mode": "off" if turn % 2 else "enforce"}).raise_for_status()


def main(arguments: Sequence[str]) -> int:
    """Run all measurements."""
    number = int(arguments[0]) if arguments else SCRAPES
    known = {entry.service().slug: entry.service() for entry in load_catalogue().entries}
    banned = [known.pop(SERVICE), *list(known.values())[: BANS - 1]]
    text = policy_text(RANGES, AUTHORITIES, [service.slug for service in banned])
    with tempfile.TemporaryDirectory(prefix="scrapes-") as made:
        show_machine(Path(made))
        with Node(Path(made) / "node", "127.0.0.1:9", policy=text) as node:
            ask(node, ASKING, banned[:1])
            show("node of a large site", node, node.metrics_port, number, NODE_MS)
            ask(node, AUTHORITIES, banned)
            show("node that counts all", node, node.metrics_port, number, NODE_MS)
        counted = text.replace('kind = "municipality"', 'kind = "municipality"\nusage = "range"')
        with patch.object(nodes, "START_S", PATIENCE_S), ControlPlane(Path(made) / "api", counted, LAUNCHER) as control:
            show("API", control, control.metrics_port, number, API_MS)
            headers = {"Authorization": f"Bearer {(control.state / 'admin-token').read_text().strip()}"}
            url = f"http://127.0.0.1:{control.port}"
            with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as client:
                show("API after a toggle", control, control.metrics_port, number, API_MS, partial(toggling, client))
        gc.set_threshold(*COLLECTED_AFTER)
        show_storing(control.state, RANGES, AUTHORITIES, [service.slug for service in banned])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
