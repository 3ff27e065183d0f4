"""Deaths of workers and the ban: which of them put another snapshot or engine in force, and what says so."""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import dns.rcode
import pytest

from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.engines import KINDS
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually, publish_twice, status_of
from tests.support.steady_load import UNLIMITED, ConstantLoad

pytestmark = pytest.mark.usefixtures("alone")

BANNED = "www.tiktok.com"
LIFTED = "not ready: revision 1 is in force instead of 2, and does not refuse all of "
DEADLY = """
import os, signal
from pathlib import Path
from dnsfilter.cli.program import main
from dnsfilter.snapshot.reader import Snapshot

read = Snapshot.open

def die(*arguments):
    snapshot = read(*arguments)
    is_worker = Path("/proc/self/comm").read_text() == "dns-worker\\n"
    if is_worker and str(snapshot.revision) in Path("deadly").read_text().split():
        os.kill(os.getpid(), signal.SIGSEGV)
    return snapshot

Snapshot.open = die
main()
"""
"""A node whose workers crash by each revision that a file names."""


class FaultyNode(Node):
    """A node whose workers crash with the revisions in `deadly`."""

    def __init__(self, directory: Path, upstream: str, engine: str) -> None:
        super().__init__(directory, upstream, policy=None, workers=2, config=UNLIMITED)
        self.environment = {**os.environ, "DNSFILTER_ENGINE": engine}
        self.deadly()

    def deadly(self, *revisions: int) -> None:
        (self.directory / "deadly").write_text(" ".join(map(str, revisions)))

    def command(self) -> list[str]:
        program = self.directory / "dnsfilter"
        program.write_text(DEADLY)
        return [sys.executable, str(program), *super().command()[1:]]

    def is_ready(self) -> bool:
        """Return whether the status page answers: with lifted bans the node is not ready."""
        return status_of(self.ready_url()) in (200, 503)


def times(node: Node, event: str) -> int:
    return node.log.read_text().count(event)


def again(node: Node, event: str, before: int) -> bool:
    return eventually(lambda: times(node, event) > before)


def kill(node: Node, number: signal.Signals, count: int, pause_s: float = 0.0) -> None:
    """Kill a worker, its successor and so on, each when it is ready."""
    for _ in range(count):
        died, ready = times(node, "worker died"), times(node, "snapshot in force")
        os.kill(node.worker_pids()[0], number)
        assert again(node, "worker died", died)
        assert again(node, "snapshot in force", ready)
        time.sleep(pause_s)


def readiness(node: Node) -> str:
    try:
        with urllib.request.urlopen(node.ready_url(), timeout=60) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def refusing(directory: Path, authority: Knot, engine: str) -> Node:
    """Return a node whose newest revision, 2, refuses what revision 1 only monitored."""
    node = FaultyNode(directory, authority.hostport, engine)
    publish_twice(node)
    return node


def is_in_force(node: Node, revision: int) -> bool:
    return eventually(lambda: node.metrics().get("dnsfilter_snapshot_revision") == revision)


def serves(node: Node) -> bool:
    return eventually(lambda: node.metrics()["dnsfilter_workers"] == 2)


# Kills from outside.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "number", "count", "pause_s"),
    [
        (KINDS[-1], signal.SIGKILL, 4, 0.0),
        ("reference", signal.SIGKILL, 3, 4.0),
        ("reference", signal.SIGTERM, 7, 0.0),
        (KINDS[-1], signal.SIGKILL, 7, 4.0),
    ],
)
def test_kills_from_outside_lift_no_ban(
    tmp_path: Path, authority: Knot, engine: str, number: signal.Signals, count: int, pause_s: float
) -> None:
    with refusing(tmp_path, authority, engine) as node:
        assert serves(node)
        with ConstantLoad(node.port, [BANNED]) as load:
            kill(node, number, count, pause_s)
            load.until_answered(500)
        assert set(load.tally.rcodes) == {dns.rcode.REFUSED}
        found = node.metrics()
        assert found["dnsfilter_snapshot_revision"] == 2
        assert (found["dnsfilter_snapshots_quarantined_total"], found["dnsfilter_engine_fallback"]) == (0, 0)
        assert not list(node.state.glob("*/*.quarantined"))
        assert readiness(node) == "ready\n"
    with node:
        assert node.dig(BANNED).rcode == "REFUSED"


# Crashes.


def publish(node: Node, mode: str, addition: str = "") -> None:
    node.policy.write_text(EXAMPLE.read_text().replace('mode = "enforce"', f'mode = "{mode}"') + addition)
    store = SnapshotStore(node.state / "snapshots")
    publish_policy_file(node.policy, load_config(node.config), store, int(time.time()))


@pytest.mark.parametrize("engine", [KINDS[-1], "reference"])
def test_a_snapshot_that_kills_workers_is_quarantined_and_what_that_lifts_is_said(
    tmp_path: Path, authority: Knot, engine: str
) -> None:
    node = FaultyNode(tmp_path, authority.hostport, engine)
    publish(node, "monitor")
    node.deadly(2)
    with node:
        assert serves(node)
        publish(node, "enforce")
        assert eventually(lambda: node.logged("snapshot quarantined", "revision=2", "using=1"))
        assert serves(node)
        assert_lifted(node)
        assert node.metrics()["dnsfilter_engine_fallback"] == 0
        before = node.worker_pids()
        assert node.process is not None
        node.process.send_signal(signal.SIGUSR2)
        assert eventually(lambda: not set(before) & set(node.worker_pids()) and serves(node))
        assert_lifted(node)
    with node:
        assert serves(node)
        assert_lifted(node)
        publish(node, "enforce", "# another reading\n")
        assert is_in_force(node, 3)
        assert eventually(lambda: readiness(node) == "ready\n")
        assert node.metrics()["dnsfilter_bans_lifted"] == 0
        assert node.dig(BANNED).rcode == "REFUSED"


def assert_lifted(node: Node) -> None:
    """Check that the node says which bans of revision 2 are lifted."""
    assert eventually(lambda: readiness(node).startswith(LIFTED)), readiness(node)
    assert "ghent/tiktok" in readiness(node)
    assert node.metrics()["dnsfilter_bans_lifted"] == 1
    assert node.logged("level=error", "bans are lifted", "ghent/tiktok")


@pytest.mark.slow
def test_a_quarantine_that_lifts_no_ban_leaves_the_node_ready(tmp_path: Path, authority: Knot) -> None:
    node = FaultyNode(tmp_path, authority.hostport, KINDS[-1])
    publish(node, "enforce")
    node.deadly(2)
    with node:
        assert serves(node)
        publish(node, "enforce", "# another reading\n")
        assert eventually(lambda: node.logged("snapshot quarantined", "revision=2", "using=1"))
        assert serves(node)
        assert readiness(node) == "ready\n"
        assert node.metrics()["dnsfilter_bans_lifted"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("engine", KINDS)
def test_if_workers_die_by_the_older_snapshot_too_the_newer_one_comes_back(
    tmp_path: Path, authority: Knot, engine: str
) -> None:
    node = FaultyNode(tmp_path, authority.hostport, engine)
    publish(node, "monitor")
    with node:
        assert serves(node)
        publish(node, "enforce")
        assert is_in_force(node, 2)
        kill(node, signal.SIGSEGV, 3)
        assert is_in_force(node, 1)
        kill(node, signal.SIGSEGV, 3)
        assert is_in_force(node, 2)
        assert eventually(lambda: serves(node) and readiness(node) == "ready\n")
        kill(node, signal.SIGSEGV, 4)
        found = node.metrics()
        assert (found["dnsfilter_snapshot_revision"], found["dnsfilter_bans_lifted"]) == (2, 0)
        assert found["dnsfilter_engine_fallback"] == (engine == "compiled")
        assert node.dig(BANNED).rcode == "REFUSED"
        assert not list(node.state.glob("*/*.quarantined"))


@pytest.mark.slow
@pytest.mark.skipif("compiled" not in KINDS, reason="only the compiled engine can be replaced")
def test_the_engine_is_replaced_before_a_snapshot_that_is_not_new_and_a_restart_tries_again(
    tmp_path: Path, authority: Knot
) -> None:
    with refusing(tmp_path, authority, "compiled") as node:
        assert serves(node)
        with ConstantLoad(node.port, [BANNED]) as load:
            kill(node, signal.SIGSEGV, 3)
            assert eventually(lambda: node.logged("the reference engine takes over"))
            assert eventually(lambda: serves(node) and readiness(node) == "ready\n")
            load.until_answered(500)
        assert set(load.tally.rcodes) == {dns.rcode.REFUSED}
        assert node.metrics()["dnsfilter_engine_fallback"] == 1
        assert any('engine="reference"' in name for name in node.metrics() if "build_info" in name)
        assert not list(node.state.glob("*/*.quarantined"))
    with node:
        assert node.dig(BANNED).rcode == "REFUSED"
        assert node.metrics()["dnsfilter_engine_fallback"] == 0
