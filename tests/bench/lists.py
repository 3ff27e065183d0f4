"""Time until a list of a million names is in force: `python -m tests.bench.lists`.

The list is a file of a million names, with duplicates and names below others. It replaces the names of a service that
twenty authorities ban. The bench prints seconds, also of the processor: from the file to the first refused answer, and
of each stage. It prints the control plane's peak of memory, toggles of another authority meanwhile, and how long the
node's answers took before and meanwhile. Debian's Unbound and dnsdist get the same names in the same run: Unbound
reloads a response policy zone; dnsdist, which cannot reload names, starts again. The server under test has one core,
clients have the others. The bench needs the programs of `make components`, two idle cores and some minutes.
"""

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import sched_getaffinity
from pathlib import Path
from threading import Event, Thread

import httpx

from tests.bench.large import NAMES, RANGES, authority_of, client_of, name_of, policy_text
from tests.bench.lists_plane import SLUG, STAGES, WANTED
from tests.bench.machine import cpu_s, pinned, share_cores
from tests.bench.peers import PEERS, Setting
from tests.bench.query_load import Asked, Target, ask, write_cached
from tests.bench.toggle import NXDOMAIN, RANGE, REFUSED, ControlPlane, Watcher, enrolled, show, show_machine
from tests.bench.unbound import running_unbound
from tests.support.components import component
from tests.support.knot import Knot
from tests.support.ports import free_port
from tests.support.zone_texts import zone

NAME = 123_456
"""The number of the name that the client asks for."""
DUPLICATES, BELOW = 50_000, 50_000
CALM_S, ASK_S, RATE = 10.0, 20.0, 1_000


def write_list(path: Path) -> None:
    """Write the list: each name once, some again, and some names below others."""
    drawn = random.Random(20260130)
    names = [*map(name_of, range(NAMES))]
    names += drawn.sample(names, DUPLICATES) + [f"www.{name}" for name in drawn.sample(names, BELOW)]
    drawn.shuffle(names)
    path.write_text("# A large list\n" + "\n".join(names) + "\n")


def show_seconds(what: str, wall_s: float, used_s: float | None = None) -> None:
    """Print one line of the result."""
    used = "" if used_s is None else f"   {used_s:6.2f} s of the processor"
    print(f"{what:44} {wall_s:6.2f} s{used}", flush=True)


@contextmanager
def toggling(client: httpx.Client) -> Iterator[list[float]]:
    """Toggle the ban of another authority meanwhile. Yield the milliseconds of each toggle so far."""
    taken: list[float] = []
    over = Event()
    path = f"/v1/authorities/{authority_of(RANGE + 1)}/bans/{SLUG}"

    def toggle() -> None:
        while not over.wait(random.uniform(0.05, 0.15)):
            begun = time.monotonic()
            mode = "off" if len(taken) % 2 == 0 else "enforce"
            client.patch(path, json={"mode": mode}).raise_for_status()
            taken.append(1000 * (time.monotonic() - begun))

    thread = Thread(target=toggle, daemon=True)
    thread.start()
    yield taken
    over.set()
    thread.join()


@contextmanager
def asking(port: int, questions: Path, seconds: float) -> Iterator[list[Asked]]:
    """Ask the node at a steady rate meanwhile. The statistics are there after the block."""
    found: list[Asked] = []
    target = Target(port, client_of(RANGE))
    thread = Thread(
        target=lambda: found.append(ask(component("dnsperf"), target, questions, seconds=seconds, rate=RATE))
    )
    thread.start()
    yield found
    thread.join()


def show_latencies(what: str, asked: Asked) -> None:
    """Print how long answers took."""
    shares = "   ".join(f"p{100 * share:g} {1000 * asked.latency_s(share):6.2f} ms" for share in (0.5, 0.99))
    print(f"{what:44} {shares}   lost {asked.sent - asked.answered} of {asked.sent}", flush=True)


def through_the_api(directory: Path, upstream: str, listed: Path, server: frozenset[int]) -> None:
    """Bring the list into force in a control plane, from which a node pulls."""
    plane = directory / "plane"
    plane.mkdir()
    questions = directory / "questions"
    write_cached(questions)
    launcher = ("-m", "tests.bench.lists_plane")
    with pinned(server):
        control = ControlPlane(plane, policy_text(RANGES, services=(SLUG,)), launcher)
        control.__enter__()
    try:
        headers = {"Authorization": f"Bearer {(control.state / 'admin-token').read_text().strip()}"}
        url = f"http://127.0.0.1:{control.port}"
        with (
            httpx.Client(base_url=url, headers=headers, timeout=60) as client,
            enrolled(control, client, upstream) as node,
            Watcher(node.port, name_of(NAME)) as watcher,
        ):
            assert control.process is not None
            with asking(node.port, questions, CALM_S) as calm, toggling(client) as before:
                time.sleep(CALM_S)
            used = cpu_s(control.process.pid)
            with asking(node.port, questions, ASK_S) as busy, toggling(client) as toggles:
                begun = time.monotonic()
                (plane / WANTED).write_text(str(listed))
                in_force = watcher.seen(REFUSED) - begun
                used = cpu_s(control.process.pid) - used
            show_seconds("dnsfilter, from the file to the first refusal", in_force, used)
            stages = json.loads((plane / STAGES).read_text())
            for stage in [name for name in stages if f"{name}, CPU" in stages]:
                show_seconds(f"  {stage}", stages[stage], stages[f"{stage}, CPU"])
            status = Path(f"/proc/{control.process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            print(f"{'  peak memory of the control plane':44} {peak / 1024:6.0f} MB", flush=True)
            show("  toggles before", before)
            show("  toggles meanwhile", toggles)
            show_latencies("  the node's answers before", calm[0])
            show_latencies("  the node's answers meanwhile", busy[0])
    finally:
        control.__exit__(None, None, None)


def through_unbound(upstream: str, server: frozenset[int]) -> None:
    """Reload Unbound until it refuses a name of the zone."""
    with pinned(server), running_unbound(upstream) as peer, Watcher(peer.port, name_of(NAME)) as watcher:
        peer.configure(with_zone=False)
        peer.control("reload")
        watcher.seen(0)
        peer.configure(with_zone=True)
        used, begun = cpu_s(peer.pid), time.monotonic()
        peer.control("reload")
        show_seconds("Unbound, reload with the zone", watcher.seen(NXDOMAIN) - begun, cpu_s(peer.pid) - used)


def through_dnsdist(directory: Path, upstream: str, server: frozenset[int]) -> None:
    """Start dnsdist with the names until it refuses one."""
    (peer,) = (each for each in PEERS if each.name == "dnsdist")
    port = free_port()
    setting = Setting(directory, port, free_port(), (int(upstream.rpartition(":")[2]),), NAMES, RANGES, 1, 100)
    command = peer.command(setting)
    with pinned(server), Watcher(port, name_of(NAME)) as watcher:
        begun = time.monotonic()
        process = subprocess.Popen(command.words, env=command.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            show_seconds("dnsdist, start with the names", watcher.seen(REFUSED) - begun, cpu_s(process.pid))
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Run every measurement and print the results."""
    cores = share_cores(sorted(sched_getaffinity(0)), 1)
    with (
        tempfile.TemporaryDirectory(prefix="lists-") as made,
        Knot({"example": zone("example", "* 60 A 192.0.2.7\n")}) as upstream,
    ):
        directory = Path(made)
        listed = directory / "list.txt"
        write_list(listed)
        show_machine(directory)
        through_the_api(directory, upstream.hostport, listed, cores.server)
        through_unbound(upstream.hostport, cores.server)
        through_dnsdist(directory, upstream.hostport, cores.server)


if __name__ == "__main__":
    main()
