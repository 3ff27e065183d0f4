"""What clients notice of failing and replaced workers, and of a flood: `python -m tests.bench.disturbance`.

docs/explanation/performance.md describes the measurements and the method. The load goes to loopback only.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.bench import document
from tests.bench.machine import Cores, describe_machine, pinned, share_cores
from tests.bench.query_load import cached_name
from tests.bench.servers import authority, compiled_c
from tests.support.engines import query
from tests.support.nodes import Node, eventually

ROUNDS, RATE, FLOOD, QUIET = 5, 50_000, 200_000, 1_000
"""Rounds of each measurement, and queries a second of the load, of a flood, and of the client during the flood."""
CLIENT, FLOODER, OTHER = "127.0.5.10", "127.0.5.11", "127.0.7.10"
TCP_CLIENT, TCP_RATE, CONNECTIONS = "127.0.7.11", 1_000, 8
PORTS, CACHED, BANNED = 64, 1_000, "www.tiktok.com"
CALM_S, PATIENCE_S = 1.0, 60.0
CONFIG = """
[limits]
waiting_per_client = 4096

# The load plays a complete office, and the other client one of many.
[[limits.override]]
prefix = "127.0.5.10"
queries_per_second = 0

[[limits.override]]
prefix = "127.0.7.0/24"
queries_per_second = 0
"""


class DisturbanceError(Exception):
    """Raised if a measurement is not valid. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Report:
    """The output of asker.c, or of tcp_load.py, about one client."""

    sent: int
    answered: int
    skipped: int
    deaf: int
    gap_ms: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Noticed:
    """The outcomes of a load's queries.

    Of the `lost` queries, `overflowed` found no room in a listening socket and `limited` exceeded a limit. A worker
    held all others. Names with `tcp_` are of the client that asks over TCP at the same time.
    """

    sent: int
    lost: int
    in_hands: int
    overflowed: int
    limited: int
    gap_ms: float
    tcp_sent: int
    tcp_lost: int
    tcp_gap_ms: float


@dataclass(frozen=True, slots=True)
class Disturbance:
    """An event during `seconds` of load. `act` causes it and returns when it is over."""

    slug: str
    title: str
    seconds: int
    act: Callable[[Node], None]


def kill(node: Node) -> None:
    ready = _times(node, "snapshot in force")
    os.kill(node.worker_pids()[0], signal.SIGKILL)
    _await(lambda: _times(node, "snapshot in force") > ready, "no worker came after the one that was killed")


def stop(node: Node) -> None:
    """Stop a worker for good. Wait until the supervisor has replaced it."""
    ready, victim = _times(node, "snapshot in force"), node.worker_pids()[0]
    os.kill(victim, signal.SIGSTOP)
    _await(lambda: _times(node, "snapshot in force") > ready, "no worker came after the one that hung")


def upgrade(node: Node) -> None:
    before = set(node.worker_pids())
    assert node.process is not None
    node.process.send_signal(signal.SIGUSR2)
    _await(lambda: not before & set(node.worker_pids()), "old workers outlived the upgrade")


DISTURBANCES = (
    Disturbance("kill", "`kill -9` of a worker", 4, kill),
    Disturbance("stop", "a worker stopped by SIGSTOP", 8, stop),
    Disturbance("upgrade", "upgrade by SIGUSR2", 10, upgrade),
)


def _times(node: Node, event: str) -> int:
    return node.log.read_text().count(event)


def _await(holds: Callable[[], bool], otherwise: str) -> None:
    if not eventually(holds, PATIENCE_S):
        raise DisturbanceError(otherwise)


@contextmanager
def running(upstream_port: int, workers: int, cores: Cores) -> Iterator[Node]:
    """Run a node with the example policy. Yield it when all of its workers are ready."""
    with tempfile.TemporaryDirectory(prefix="disturbance-") as made:
        node = Node(Path(made), f"127.0.0.1:{upstream_port}", config=CONFIG, workers=workers)
        with pinned(cores.server):
            node.start()
        try:
            _await(lambda: _times(node, "snapshot in force") >= max(workers, 2), "workers are not ready")
            yield node
        finally:
            node.stop()


@contextmanager
def questions() -> Iterator[Path]:
    """Yield a file in the format of asker.c, in which every fifth question is for a banned name."""
    with tempfile.NamedTemporaryFile(prefix="questions-") as file:
        for number in range(CACHED):
            for name in (*(cached_name((4 * number + each) % CACHED) for each in range(4)), BANNED):
                message = query(name)
                file.write(len(message).to_bytes(2, "big") + message)
        file.flush()
        yield Path(file.name)


@contextmanager
def asking(
    node: Node, seconds: int, asked: Path, cores: Cores, clients: Sequence[tuple[str, int, int]], *, tcp: bool = False
) -> Iterator[list[Report]]:
    """Send load from `clients` (address, queries a second, ports) during the block. Then fill the list with reports.

    With `tcp`, another client asks over TCP. Its report is the last.
    """
    reported: list[Report] = []
    programs = [([str(compiled_c("asker"))], clients)]
    if tcp:
        programs.append(([sys.executable, "-m", "tests.bench.tcp_load"], [(TCP_CLIENT, TCP_RATE, CONNECTIONS)]))
    processes = []
    with ExitStack() as stack:
        for program, of_program in programs:
            words = [str(word) for client in of_program for word in client]
            command = [*program, str(node.port), str(seconds), str(asked), *words]
            with pinned(cores.load):
                processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(_end, processes[-1])
        yield reported
        if any(process.poll() is not None for process in processes):
            raise DisturbanceError("the load ended before what was to happen amid it")
        for process in processes:
            output, _ = process.communicate(timeout=seconds + PATIENCE_S)
            if process.returncode != 0:
                raise DisturbanceError(f"the load ended with status {process.returncode}")
            reported += [Report(**json.loads(line)) for line in output.splitlines()]


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()


def disturb(one: Disturbance, workers: int, rate: int, upstream_port: int, asked: Path) -> Noticed:
    """Run one round: disturb a node under load. Return what clients noticed."""
    cores = share_cores(sorted(os.sched_getaffinity(0)), workers)
    with running(upstream_port, workers, cores) as node:
        with asking(node, one.seconds, asked, cores, [(CLIENT, rate, PORTS)], tcp=True) as reported:
            time.sleep(CALM_S)
            one.act(node)
        load, streams = reported
        overflowed = dropped(node.port)
        limited = int(
            sum(value for name, value in node.metrics().items() if name.startswith("dnsfilter_limited_total"))
        )
    lost = load.sent - load.answered
    in_hands = lost - overflowed - limited - load.deaf
    return Noticed(
        load.sent,
        lost - load.deaf,
        in_hands,
        overflowed,
        limited,
        load.gap_ms,
        streams.sent,
        streams.sent - streams.answered,
        streams.gap_ms,
    )


def dropped(port: int) -> int:
    """Return how many datagrams the sockets of `port` of 127.0.0.1 dropped (proc_net_udp(5), the last column)."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if row[1] == f"0100007F:{port:04X}")


def flood(flood_rate: int, seconds: int, upstream_port: int, asked: Path) -> tuple[Report, Report, Report]:
    """Return the reports of the client alone, of the same client during the flood, and of the flood."""
    cores = share_cores(sorted(os.sched_getaffinity(0)), 1)
    other = (OTHER, QUIET, PORTS // 4)
    with running(upstream_port, 1, cores) as node:
        with asking(node, seconds, asked, cores, [other]) as alone:
            pass
        with asking(node, seconds, asked, cores, [other, (FLOODER, flood_rate, PORTS // 2)]) as both:
            pass
    return alone[0], both[0], both[1]


def disturbance_table(found: dict[tuple[str, int], list[Noticed]], rate: int) -> str:
    """Return a Markdown table of the results: the median of the rounds, and the worst in brackets."""
    lines = [
        f"### Workers lost and replaced under {rate:,} queries a second",
        "",
        "| what happens | workers | lost | of these in hand | not in hand | longest without answers, ms "
        "| TCP: lost | TCP: longest, ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    titles = {one.slug: one.title for one in DISTURBANCES}
    for (slug, workers), rounds in found.items():
        columns: list[list[float]] = [
            [one.lost for one in rounds],
            [one.in_hands for one in rounds],
            [one.overflowed + one.limited for one in rounds],
            [one.gap_ms for one in rounds],
            [one.tcp_lost for one in rounds],
            [one.tcp_gap_ms for one in rounds],
        ]
        cells = [f"{median(column):,.0f} ({max(column):,.0f})" for column in columns]
        lines.append(f"| {titles[slug]} | {workers} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def flood_table(rounds: Sequence[tuple[Report, Report, Report]], flood_rate: int) -> str:
    """Return a Markdown table of the floods: the median of the rounds, and the worst loss in brackets."""
    lines = [
        f"### A flood of {flood_rate:,} queries a second from one client",
        "",
        "| who | queries/s | lost | p50 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for number, (title, rate) in enumerate(
        (("a client of another range, alone", QUIET), ("that client during the flood", QUIET))
    ):
        reported = [one[number] for one in rounds]
        lost = [one.sent - one.answered - one.deaf for one in reported]
        cells = [f"{median(lost):,.0f} ({max(lost):,.0f})"]
        columns = ([one.p50_ms for one in reported], [one.p99_ms for one in reported])
        cells += [f"{median(column):.3f} ({max(column):.3f})" for column in columns]
        lines.append(f"| {title} | {rate:,} | {' | '.join(cells)} |")
    answered = median(one[2].answered / max(one[2].sent, 1) for one in rounds)
    sent = median(one[2].sent / max(one[2].sent + one[2].skipped, 1) for one in rounds) * flood_rate
    return "\n".join([*lines, "", f"The flood reached {sent:,.0f} a second; {answered:.1%} of it was answered.", ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the document if an option asks for it."""
    options = _parser().parse_args(arguments)
    machine = "\n".join(f"- {key}: {value}" for key, value in describe_machine().items())
    found: dict[tuple[str, int], list[Noticed]] = {}
    floods: list[tuple[Report, Report, Report]] = []
    with authority(share_cores(sorted(os.sched_getaffinity(0)), 1).load) as upstream_port, questions() as asked:
        for number in range(options.rounds):
            for one in (one for one in DISTURBANCES if one.slug in options.only):
                for workers in (1, 2):
                    noticed = disturb(one, workers, options.rate, upstream_port, asked)
                    found.setdefault((one.slug, workers), []).append(noticed)
                    _say(options.json, f"round {number + 1}: {one.slug}, {workers}: {asdict(noticed)}")
            if "flood" in options.only:
                floods.append(flood(options.flood, options.seconds, upstream_port, asked))
                _say(options.json, f"round {number + 1}: flood: {[asdict(one) for one in floods[-1]]}")
    if options.json:
        print(
            json.dumps(
                {"workers": _as_json(found), "flood": [[asdict(one) for one in reported] for reported in floods]}
            )
        )
        return
    tables = [disturbance_table(found, options.rate)] if found else []
    tables += [flood_table(floods, options.flood)] if floods else []
    text = "\n".join(
        [f"- rounds: {options.rounds}, the median of them and in brackets the worst\n{machine}\n", *tables]
    )
    print(text)
    if options.write:
        document.write("disturbance", text)


def _parser() -> argparse.ArgumentParser:
    slugs = [*(one.slug for one in DISTURBANCES), "flood"]
    parser = argparse.ArgumentParser(description="What clients notice of dying, hanging and replaced workers.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=RATE, help="queries a second (default: %(default)s)")
    parser.add_argument("--flood", type=int, default=FLOOD, help="queries a second (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of flood (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=slugs, default=slugs, help="what to measure (default: all)")
    parser.add_argument("--json", action="store_true", help="print every round as JSON instead of tables")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/explanation/performance.md")
    return parser


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        print(text, flush=True)


def _as_json(found: dict[tuple[str, int], list[Noticed]]) -> list[dict[str, object]]:
    return [
        {"what": slug, "workers": workers, "rounds": [asdict(one) for one in rounds]}
        for (slug, workers), rounds in found.items()
    ]


if __name__ == "__main__":
    main()
