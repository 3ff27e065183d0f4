"""Measure what a scrape costs: `python -m tests.bench.scrapes [NUMBER]`.

A policy file provides 1,000 authorities with ten bans each, and 10,000 ranges. A node and the API are scraped NUMBER
times each (default: 20), as Prometheus does: OpenMetrics, compressed. Before, clients of eighty authorities have
asked the node for banned names. The bench prints the CPU time that a scrape takes of the supervisor and of the API, and
the number of series and bytes. The first scrape, which reads everything, has a line of its own. The goals stand next to
the figures. The CPU time includes what the programs do otherwise meanwhile.
"""

import gzip
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import dns.message
import dns.query

from blocklists.catalogue import load_catalogue
from tests.bench.large import client_of, policy_text, prefix_of
from tests.bench.machine import cpu_s
from tests.bench.toggle import ControlPlane, show_machine
from tests.support import nodes
from tests.support.nodes import Node, Process

AUTHORITIES, RANGES, BANS, SCRAPES, ASKING = 1_000, 10_000, 10, 20, 100
NODE_MS, API_MS = 100.0, 300.0
ACCEPTED = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
SERVICE, QUESTION = "tiktok", dns.message.make_query("www.tiktok.com", "A")
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


def show(what: str, program: Process, port: int, number: int, goal_ms: float) -> None:
    """Scrape, and print the figures of a program."""
    assert program.process is not None
    pid = program.process.pid
    begun_s = cpu_s(pid)
    page = scrape(port)
    first_ms = 1000 * (cpu_s(pid) - begun_s)
    time.sleep(1)
    begun_s = cpu_s(pid)
    for _ in range(number):
        page = scrape(port)
        time.sleep(PAUSE_S)
    each_ms = 1000 * (cpu_s(pid) - begun_s) / number
    series = sum(not line.startswith(b"#") for line in gzip.decompress(page).splitlines())
    kept = "kept" if each_ms <= goal_ms else "MISSED"
    print(f"{what:5} {each_ms:6.0f} ms CPU, goal {goal_ms:.0f} ms, {kept}; {series:,} series, {len(page):,} bytes")
    print(f"{what:5} {first_ms:6.0f} ms CPU for the first scrape", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run both measurements."""
    number = int(arguments[0]) if arguments else SCRAPES
    others = [entry.service().slug for entry in load_catalogue().entries if entry.service().slug != SERVICE]
    text = policy_text(RANGES, AUTHORITIES, (SERVICE, *others[: BANS - 1]))
    with tempfile.TemporaryDirectory(prefix="scrapes-") as made:
        show_machine(Path(made))
        with Node(Path(made) / "node", "127.0.0.1:9", policy=text) as node:
            for asking in filter(is_loopback, range(ASKING)):
                dns.query.udp(QUESTION, "127.0.0.1", PATIENCE_S, node.port, source=client_of(asking))
            show("node", node, node.metrics_port, number, NODE_MS)
        with patch.object(nodes, "START_S", PATIENCE_S), ControlPlane(Path(made) / "api", text, LAUNCHER) as control:
            show("API", control, control.metrics_port, number, API_MS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
