"""The keeper: when it applies rules, and what it does about failures."""

from pathlib import Path
from threading import Event

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.firewall.keeper import CHECK_S, Keeper
from dnsfilter.firewall.rule_set import Surroundings
from dnsfilter.policy.model import DEFAULT_SITE, Ban, Term
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from tests.support.policies import NOW, ban, network, policy, service


class FakeFirewall:
    """A firewall that remembers its texts and fails on demand."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.attempts = 0
        self.table: str | None = None
        self.failure = ""

    def apply(self, text: str) -> None:
        self.attempts += 1
        if self.failure:
            raise UnavailableError(self.failure)
        self.texts.append(text)
        self.table = text

    def remove(self) -> None:
        self.table = None

    def listed(self) -> str | None:
        return self.table


class Place:
    """A node's store, a keeper and its firewall, on clocks that a test sets."""

    def __init__(self, directory: Path) -> None:
        self.store = SnapshotStore(directory)
        self.now = NOW
        self.elapsed_s = 0.0
        self.firewall = FakeFirewall()
        feed = PolicyFeed(self.store, DEFAULT_SITE, self)
        self.keeper = Keeper(feed, self.firewall, Surroundings((), {}), lambda: self.elapsed_s)

    def wall_s(self) -> int:
        return self.now

    def boot_ns(self) -> int:
        return 10**9

    def publish(self, revision: int, *bans: Ban) -> None:
        things = (network("192.0.2.0/24", "ghent"), service("video", ["video.example"]))
        self.store.publish(compile_policy(policy(*things, *bans, revision=revision), NOW))

    def banned(self) -> list[bool]:
        """Return, for each text that was applied, whether it has the network."""
        return ["192.0.2.0/24" in text for text in self.firewall.texts]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "snapshots")


def test_rules_change_with_the_clock_and_with_the_snapshot(place: Place) -> None:
    place.publish(1, ban(1, "ghent", "video", terms=(Term(NOW + 10, NOW + 20),)))
    for now in (NOW, NOW + 9, NOW + 10, NOW + 19, NOW + 20):
        place.now = now
        place.keeper.step()
    assert place.banned() == [False, True, False]
    place.publish(2, ban(1, "ghent", "video"))
    place.keeper.step()
    assert place.banned() == [False, True, False, True]


def test_equal_rules_are_not_applied_again(place: Place) -> None:
    place.publish(1, ban(1, "ghent", "video"))
    place.keeper.step()
    place.publish(2, ban(1, "ghent", "video", reference="A 1"))
    place.keeper.step()
    assert place.banned() == [True]


def test_a_clock_that_is_set_back_is_followed(place: Place) -> None:
    place.publish(1, ban(1, "ghent", "video", terms=(Term(NOW + 10, NOW + 20),)))
    for now in (NOW + 10, NOW + 5):
        place.now = now
        place.keeper.step()
    assert place.banned() == [True, False]


def test_without_a_snapshot_no_rules_are_applied(place: Place) -> None:
    place.keeper.step()
    assert place.banned() == []
    place.publish(1, ban(1, "ghent", "video"))
    place.keeper.step()
    assert place.banned() == [True]


def test_a_failure_is_logged_once_and_tried_again_after_a_pause(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.publish(1, ban(1, "ghent", "video"))
    place.firewall.failure = "busy"
    for elapsed_s in (0.0, 0.1, CHECK_S, 2 * CHECK_S):
        place.elapsed_s = elapsed_s
        place.keeper.step()
    place.firewall.failure, place.elapsed_s = "", 3 * CHECK_S
    place.keeper.step()
    assert (place.banned(), place.firewall.attempts) == ([True], 4)
    assert [record.message for record in caplog.records].count("firewall rules not applied") == 1


@pytest.mark.parametrize("left", [None, "table inet dnsfilter {\n}\n"], ids=["removed", "emptied"])
def test_a_table_that_another_program_changed_is_applied_again(place: Place, left: str | None) -> None:
    place.publish(1, ban(1, "ghent", "video"))
    place.keeper.step()
    place.firewall.table = left
    place.keeper.step()
    assert place.banned() == [True]
    for checks in (1, 2):
        place.elapsed_s = checks * CHECK_S
        place.keeper.step()
        assert place.banned() == [True, True]


def test_the_first_failure_ends_the_program(place: Place) -> None:
    place.publish(1, ban(1, "ghent", "video"))
    place.firewall.failure = "not permitted"
    with pytest.raises(UnavailableError, match="not permitted"):
        place.keeper.run(Event(), keep=False)


@pytest.mark.parametrize("keep", [False, True])
def test_the_table_is_removed_at_the_end_unless_it_is_kept(place: Place, keep: bool) -> None:
    place.publish(1, ban(1, "ghent", "video"))
    stopping = Event()
    stopping.set()
    place.keeper.run(stopping, keep=keep)
    assert place.banned() == [True]
    assert (place.firewall.table is not None) is keep
