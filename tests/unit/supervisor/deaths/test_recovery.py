"""The response of a node to deaths, with a real store and without processes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dnsfilter.engine.choice import EngineKind
from dnsfilter.policy.model import DEFAULT_SITE, Ban, Mode, Term
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.crew import Crew, Death
from dnsfilter.supervisor.deaths.crashes import MINUTE_S, Cause
from dnsfilter.supervisor.deaths.recovery import Recovery
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.supervisor.worker_process import Orders
from tests.support.policies import NOW, ban, network, policy, service

BAN = ban(1, "ghent", "video")


class Node:
    """A store with revision 1, which refuses nothing, and a program that runs on it. A test sets its clocks."""

    def __init__(self, directory: Path) -> None:
        self.store = SnapshotStore(directory)
        self.wall = NOW
        self.publish(1, replace(BAN, mode=Mode.OFF))
        self.start()

    def start(self, engine: EngineKind = EngineKind.COMPILED) -> None:
        """Start the program, also again."""
        self.feed = PolicyFeed(self.store, DEFAULT_SITE, self)
        self.feed.load()
        self.crew = SimpleNamespace(orders=Orders(1, None, None, engine, ()), renew=self._renew)  # type: ignore[arg-type]
        self.put: list[int] = []
        self.recovery = Recovery(
            self.feed, cast(Crew, self.crew), lambda snapshot: self.put.append(snapshot.revision), quarantined=0
        )

    def _renew(self, orders: Orders, *, keep_caches: bool) -> None:
        assert not keep_caches
        self.crew.orders = orders

    def wall_s(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return 10**9

    @property
    def engine(self) -> EngineKind:
        return cast(EngineKind, self.crew.orders.engine)

    def publish(self, revision: int, made: Ban) -> None:
        things = (network("192.0.2.0/24", "ghent"), service("video", ["video.example"]), made)
        self.store.publish(compile_policy(policy(*things, revision=revision), NOW))

    def receive(self, revision: int, made: Ban, now: float) -> None:
        """Publish a revision that comes into force at `now`."""
        self.publish(revision, made)
        assert self.feed.poll() is not None
        self.recovery.came_into_force(now)

    def crash(self, *times: float, cause: Cause = Cause.CRASH) -> None:
        for now in times:
            self.recovery.worker_died(Death(4711, -11, cause), now)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.feed.close()


@pytest.mark.parametrize("engine", EngineKind)
def test_deaths_from_outside_change_nothing(node: Node, engine: EngineKind) -> None:
    node.start(engine)
    node.receive(2, BAN, 0)
    node.crash(*range(1, 30), cause=Cause.OUTSIDE)
    assert (node.put, node.engine, node.recovery.quarantined) == ([], engine, 0)
    node.crash(31, 32)
    assert node.put == [], "they do not count together with crashes"


@pytest.mark.parametrize("cause", [Cause.CRASH, Cause.HANG])
def test_a_new_snapshot_that_kills_is_quarantined(node: Node, cause: Cause) -> None:
    node.receive(2, BAN, 0)
    node.crash(1, 2, 3, cause=cause)
    assert (node.put, node.engine, node.recovery.quarantined) == ([1], EngineKind.COMPILED, 1)
    assert node.store.quarantine_reason(2) == "workers died of it, three times within a minute"


def test_the_engine_changes_before_a_snapshot_that_is_not_new(node: Node) -> None:
    node.receive(2, BAN, 0)
    later = 2 * MINUTE_S
    node.recovery.came_into_force(later)  # other suspensions make the same revision no newer
    node.crash(later + 1, later + 2, later + 3)
    assert (node.put, node.engine, node.recovery.fallen_back) == ([], EngineKind.REFERENCE, True)
    node.crash(later + 4, later + 5, later + 6)
    assert node.put == [1]


@pytest.mark.parametrize("restarted", [False, True])
def test_if_the_older_snapshot_kills_too_the_newer_one_and_the_other_engine_are_used(
    node: Node, restarted: bool
) -> None:
    node.receive(2, BAN, 0)
    node.crash(1, 2, 3)
    if restarted:
        node.feed.close()
        node.start()
    node.crash(4, 5, 6)
    assert (node.put[-1], node.engine) == (2, EngineKind.REFERENCE)
    assert node.store.quarantine_reason(2) is None
    node.crash(7, 8, 9, 10, 11, 12)
    assert node.put[-1] == 2


def test_the_only_snapshot_is_not_quarantined(node: Node) -> None:
    node.start(EngineKind.REFERENCE)
    node.crash(1, 2, 3)
    assert (node.put, node.recovery.quarantined, node.recovery.fallen_back) == ([], 0, False)


def test_lifted_bans_are_logged_when_they_change(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    node.receive(2, replace(BAN, terms=(Term(NOW + 100),)), 0)
    node.crash(1, 2, 3)
    for now in (3.0, 3.1, 4.0):
        node.recovery.look(now)
    assert node.recovery.lifted is None
    node.wall = NOW + 100
    for now in (5.0, 6.0, 7.0):
        node.recovery.look(now)
    assert node.recovery.lifted == "revision 1 is in force instead of 2, and does not refuse all of ghent/video"
    node.receive(3, BAN, 7.1)
    node.recovery.look(7.1)
    assert node.recovery.lifted is None
    events = [record.message for record in caplog.records if "lifted" in record.message]
    assert events == ["bans are lifted", "no ban is lifted any more"]
