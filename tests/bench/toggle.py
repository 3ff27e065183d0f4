"""Time until a toggle takes effect with a million names: `python -m tests.bench.toggle [NUMBER]`.

The policy has ten thousand ranges. A client asks for one name without pause. Meanwhile its authority's ban is switched
off and on NUMBER times (default: 200). The bench prints the milliseconds until the client's first changed answer. It
counts them from the request to the API, from the API's response, and from the start of a publication without the API.
In the same run the bench switches Debian's Unbound, which has the same names as a response policy zone, with its
control program. It also reloads Unbound a few times, because only a reload changes the clients to which a zone applies.
The first lines show the load of the machine and the time that its disk takes to write 4 KB durably. A toggle waits for
the disk in TMPDIR five times. The bench needs the programs of `make components`, two idle cores and a few minutes.
"""

import gc
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self, TypeAlias

import dns.message
import httpx

from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.bench.large import (
    SERVICE,
    authority_of,
    client_of,
    make_policy,
    make_ranges,
    make_service,
    name_of,
    policy_text,
)
from tests.bench.unbound import ZONE, running_unbound
from tests.support.knot import Knot
from tests.support.nodes import ROOT, Node, Process
from tests.support.ports import free_port
from tests.support.zone_texts import zone

TOGGLES, RELOADS, SYNCS = 200, 2, 100
RANGE, NAME = 1, 123_456
"""The range of the client, and the name that it asks for."""
NOERROR, NXDOMAIN, REFUSED = 0, 3, 5
PATIENCE_S = 120.0


class Watcher:
    """A client that asks again after `pause_s`, and notes when its answers last changed."""

    def __init__(
        self, port: int, name: str = name_of(NAME), client: str = client_of(RANGE), pause_s: float = 0
    ) -> None:
        self._pause_s = pause_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((client, 0))
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(1.0)
        self._question = dns.message.make_query(name, "A").to_wire()
        self._over = Event()
        self._thread = Thread(target=self._ask, daemon=True)
        self.latest: tuple[int, float] = -1, 0.0
        """The latest rcode, and when the first answer of the current unbroken series with it came."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def seen(self, rcode: int) -> float:
        """Wait until answers have `rcode`. Return when the first of them came."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found, since = self.latest
            if found == rcode:
                return since
            time.sleep(0.001)
        raise RuntimeError(f"wait for rcode {rcode}: it is {self.latest[0]} after {PATIENCE_S:g} s")

    def _ask(self) -> None:
        while not self._over.wait(self._pause_s):
            try:
                self._socket.send(self._question)
                rcode = self._socket.recv(4096)[3] & 15
            except (TimeoutError, ConnectionError):
                continue
            if rcode != self.latest[0]:
                self.latest = rcode, time.monotonic()


class ControlPlane(Process):
    """`dnsfilter-api` with the large policy by default, and its state in the same place as a node's.

    `launcher` holds the interpreter's arguments before those of the program.
    """

    def __init__(
        self,
        directory: Path,
        policy: str | None = None,
        launcher: Sequence[str] = ("-m", "tests.bench.large_plane"),
    ) -> None:
        super().__init__(directory, "api")
        self.port, self.metrics_port = free_port(), free_port()
        self.state = directory / "state"
        directory.mkdir(parents=True, exist_ok=True)
        self.policy = directory / "policy.toml"
        self.policy.write_text(policy_text() if policy is None else policy)
        self._launcher = launcher

    def command(self) -> list[str]:
        return [
            *(
                "env",
                f"PYTHONPATH={ROOT}",
                sys.executable,
                *self._launcher,
                "--create",
                "--state-dir",
                str(self.state),
            ),
            *("--listen", f"127.0.0.1:{self.port}", "--metrics-listen", f"127.0.0.1:{self.metrics_port}"),
            *("--init-policy", str(self.policy)),
        ]

    def ready_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/readyz"


class StoreNode(Node):
    """`dnsfilter serve` with the snapshots that a test publishes in its state directory."""

    def __init__(self, directory: Path, upstream: str, config: str = "") -> None:
        super().__init__(directory, upstream, policy=None, config=config)


def enrolled(control: ControlPlane, client: httpx.Client, upstream: str) -> StoreNode:
    """Return an enrolled node that pulls its snapshots from the API."""
    made = client.post("/v1/nodes", json={"name": "one"}).raise_for_status()
    (control.directory / "token").write_text(made.json()["enrolment_token"])
    url = f"http://127.0.0.1:{control.port}"
    return StoreNode(control.directory, upstream, f'[control_plane]\nurl = "{url}"\ntoken = "token"\n')


Switch: TypeAlias = Callable[[bool], float]
"""Switch the ban on or off. Return the time from which to count."""


def switched(watcher: Watcher, number: int, banned: int, switch: Switch) -> tuple[list[float], list[float]]:
    """Return the milliseconds until each first changed answer: since what `switch` returns, and since it returned."""
    complete, after = [], []
    watcher.seen(banned)
    for turn in range(number):
        # A random pause keeps toggles out of step with programs that poll at a fixed interval.
        time.sleep(random.uniform(0.05, 0.15))
        on = turn % 2 == 1
        begun = switch(on)
        done = time.monotonic()
        effect = watcher.seen(banned if on else NOERROR)
        complete.append(1000 * (effect - begun))
        after.append(1000 * max(0.0, effect - done))
    return complete, after


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]


def show(what: str, values: Sequence[float]) -> None:
    """Print one line of the result."""
    median = sorted(values)[len(values) // 2]
    print(f"{what:44} p50 {median:8.1f} ms   p95 {p95(values):8.1f} ms   max {max(values):8.1f} ms", flush=True)


def show_memory(what: str, pid: int) -> None:
    """Print the private and the resident memory of a process."""
    rows = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {key: int(rows[key].split()[0]) / 1024 for key in ("Pss", "Private_Dirty", "Private_Clean", "Rss")}
    own = sizes["Private_Dirty"] + sizes["Private_Clean"]
    print(f"{what:44} {own:.0f} MB of its own, {sizes['Rss']:.0f} MB resident", flush=True)


def through_the_api(directory: Path, upstream: str, number: int) -> list[float]:
    """Toggle by PATCH, as the console and the command line do. Return the times from the request."""
    with ControlPlane(directory) as control:
        token = (control.state / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{control.port}", headers=headers, timeout=60) as client,
            enrolled(control, client, upstream) as node,
            Watcher(node.port) as watcher,
        ):

            def switch(on: bool) -> float:
                path = f"/v1/authorities/{authority_of(RANGE)}/bans/{SERVICE}"
                begun = time.monotonic()
                client.patch(path, json={"mode": "enforce" if on else "off"}).raise_for_status()
                return begun

            complete, after = switched(watcher, number, REFUSED, switch)
            show_memory("worker", node.worker_pid())
        show("dnsfilter, from the request to the API", complete)
        show("dnsfilter, from the API's response", after)
        assert control.process is not None
        show_memory("control plane", control.process.pid)
    return complete


def through_the_store(directory: Path, upstream: str, number: int) -> None:
    """Toggle by publishing into the store, without database and HTTP."""
    service, ranges = make_service(), make_ranges()
    node = StoreNode(directory, upstream)
    store = SnapshotStore(node.state / "snapshots")
    compiled = compile_policy(make_policy(service, ranges, 1, {}), int(time.time()))
    store.publish(compiled)
    gc.collect()
    gc.freeze()
    compiling: list[float] = []

    def switch(on: bool) -> float:
        nonlocal compiled
        modes = {} if on else {authority_of(RANGE): Mode.OFF}
        policy = make_policy(service, ranges, compiled.revision + 1, modes)
        begun = time.monotonic()
        compiled = compile_policy(policy, int(time.time()), names=compiled.names, before=compiled)
        done = time.monotonic()
        compiling.append(1000 * (done - begun))
        store.publish(compiled)
        return done

    with node, Watcher(node.port) as watcher:
        complete, _ = switched(watcher, number, REFUSED, switch)
    show("dnsfilter, from the publication's beginning", complete)
    show("dnsfilter, compiling before that", compiling)


def through_unbound(upstream: str, number: int) -> tuple[list[float], list[float]]:
    """Switch Unbound's zone, and reload Unbound without and with the zone. Return the times of both."""

    def zone_switch(on: bool) -> float:
        begun = time.monotonic()
        peer.control("rpz_enable" if on else "rpz_disable", f"{ZONE}.")
        return begun

    def reload(on: bool) -> float:
        begun = time.monotonic()
        peer.configure(with_zone=on)
        peer.control("reload")
        return begun

    with running_unbound(upstream) as peer, Watcher(peer.port) as watcher:
        show_memory("unbound", peer.pid)
        switch, _ = switched(watcher, number, NXDOMAIN, zone_switch)
        reloads, _ = switched(watcher, 2 * RELOADS, NXDOMAIN, reload)
    show("unbound, rpz_enable and rpz_disable", switch)
    show("unbound, reload with the zone put back", reloads[1::2])
    return switch, reloads[1::2]


def show_machine(directory: Path) -> None:
    """Print the load, and how long the disk takes to write 4 KB durably."""
    print(f"{'load of the last minute':44} {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    taken = []
    for number in range(SYNCS):
        begun = time.monotonic()
        with (directory / str(number)).open("wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        taken.append(1000 * (time.monotonic() - begun))
        time.sleep(0.02)
    show("the disk, 4 KB written and kept", taken)


def main(arguments: Sequence[str]) -> None:
    """Run every measurement and print the results."""
    number = int(arguments[0]) if arguments else TOGGLES
    with (
        tempfile.TemporaryDirectory(prefix="toggle-") as made,
        Knot({"example": zone("example", "* 60 A 192.0.2.7\n")}) as upstream,
    ):
        show_machine(Path(made))
        ours = through_the_api(Path(made) / "all", upstream.hostport, number)
        through_the_store(Path(made) / "store", upstream.hostport, number)
        switch, reloads = through_unbound(upstream.hostport, number)
    print(f"ratio of p95, request to effect: {p95(ours) / p95(switch):.2f} of the peer's switch for everybody")
    print(f"ratio of p95, request to effect: {p95(ours) / p95(reloads):.5f} of the peer's reload")


if __name__ == "__main__":
    main(sys.argv[1:])
