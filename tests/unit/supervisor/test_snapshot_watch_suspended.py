"""Local suspensions, applied to the snapshot in use."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.local.believed_clock import this_boot
from dnsfilter.local.local_suspensions import FILE_NAME, Given, change_given
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import DEFAULT_SITE, Policy, Suspension
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor import snapshot_watch
from dnsfilter.supervisor.snapshot_watch import LOOKS_BETWEEN_TRIES, PolicyFeed
from dnsfilter.wire.names import parse_name
from dnsfilter.worker.sealed import seal
from tests.support.policies import HOUR, NOW, authority, ban, network, service


class Hands:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.wall = NOW
        self.boot = 1_000

    def wall_s(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return self.boot * 1_000_000_000

    def go(self, seconds: int) -> None:
        self.wall += seconds
        self.boot += seconds


def policy(revision: int, *suspensions: Suspension) -> Policy:
    return Policy(
        revision,
        authorities=(authority("ghent"), authority("mechelen"), authority("diest")),
        ranges=(
            network("192.0.2.0/24", "ghent"),
            network("198.51.100.0/24", "mechelen"),
            network("192.0.2.0/24", "diest", site="depot"),
        ),
        services=(service("video", ["example.org"]),),
        bans=(ban(1, "ghent", "video"), ban(2, "mechelen", "video")),
        suspensions=suspensions,
    )


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    made = SnapshotStore(tmp_path / "snapshots")
    made.publish(compile_policy(policy(1), NOW))
    return made


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def feed(store: SnapshotStore, tmp_path: Path, hands: Hands) -> Iterator[PolicyFeed]:
    made = PolicyFeed(store, DEFAULT_SITE, hands, tmp_path / "node")
    made.load()
    yield made
    made.close()


def suspend(tmp_path: Path, hands: Hands, *slugs: str | None, for_s: int = 600) -> None:
    now = ClockReading(hands.wall, hands.boot * 1000, this_boot())
    given = tuple(Given(slug, now, for_s, "test") for slug in slugs)
    change_given(tmp_path / "node" / FILE_NAME, now, lambda _: given)


def refused(snapshot: Snapshot | None, at: int) -> tuple[bool, bool]:
    """Return whether the clients of Ghent and of Mechelen are refused."""
    assert snapshot is not None
    name = parse_name("example.org")
    ghent, mechelen = (
        snapshot.decide(ip_address(client), name, at).verdict is Verdict.REFUSE
        for client in ("192.0.2.1", "198.51.100.1")
    )
    return ghent, mechelen


@pytest.mark.parametrize(("slugs", "expected"), [(["ghent"], (False, True)), ([None], (False, False))])
def test_suspension_is_in_force_with_the_next_poll(
    feed: PolicyFeed, tmp_path: Path, hands: Hands, slugs: Sequence[str | None], expected: tuple[bool, bool]
) -> None:
    assert refused(feed.snapshot, hands.wall) == (True, True)
    suspend(tmp_path, hands, *slugs)
    snapshot = feed.poll()
    assert refused(snapshot, hands.wall) == expected
    assert feed.acts.suspensions == (Suspension(slugs[0], NOW, NOW + 600, "test"),)
    assert feed.poll() is None


def test_suspension_ends_by_its_rows_and_then_the_published_rules_return(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    published = feed.snapshot
    suspend(tmp_path, hands, "ghent")
    laid = feed.poll()
    assert refused(laid, NOW + 599) == (False, True)
    assert refused(laid, NOW + 600) == (True, True)
    hands.go(599)
    assert feed.poll() is None
    hands.go(1)
    after = feed.poll()
    assert published is not None
    assert after is not None
    assert after.rules_digest == published.rules_digest
    assert feed.acts.suspensions == ()
    assert feed.poll() is None


def test_ended_suspension_is_over_with_the_next_poll(feed: PolicyFeed, tmp_path: Path, hands: Hands) -> None:
    suspend(tmp_path, hands, "ghent", None)
    assert refused(feed.poll(), NOW) == (False, False)
    suspend(tmp_path, hands, "ghent")
    assert refused(feed.poll(), NOW) == (False, True)
    suspend(tmp_path, hands)
    assert refused(feed.poll(), NOW) == (True, True)


def admits(feed: PolicyFeed, hands: Hands) -> bool:
    """Return whether a client in no range is answered now."""
    feed.poll()
    assert feed.snapshot is not None
    return feed.snapshot.decide(ip_address("203.0.113.1"), parse_name("example.org"), hands.wall).admitted


def test_suspension_of_all_admits_unregistered_clients_until_it_ends_by_any_clock(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    hands.go(7200)
    suspend(tmp_path, hands, "ghent")
    assert not admits(feed, hands)
    suspend(tmp_path, hands, None, for_s=600)
    assert admits(feed, hands)
    hands.go(300)
    hands.wall -= 3600
    assert admits(feed, hands)
    hands.go(299)
    assert admits(feed, hands)
    hands.go(1)
    assert not admits(feed, hands)


def test_suspension_of_all_admits_all_clients_without_a_snapshot(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    empty = compile_policy(Policy(0), NOW)
    feed.take(Files(0, empty.manifest, empty.names.data, empty.ranges.data, empty.rules.data))
    assert not admits(feed, hands)
    suspend(tmp_path, hands, None)
    assert admits(feed, hands)


def test_workers_get_the_rules_that_the_manifest_names(feed: PolicyFeed, tmp_path: Path, hands: Hands) -> None:
    suspend(tmp_path, hands, "ghent")
    feed.poll()
    manifest, names, _, rules = (Path(f"/proc/self/fd/{each}").read_bytes() for each in feed.descriptors)
    said = parse_manifest(manifest)
    assert (said.revision, said.rules.digest, said.names.digest) == (1, sha256(rules).digest(), sha256(names).digest())


def test_suspension_holds_over_a_new_snapshot(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    suspend(tmp_path, hands, "ghent")
    feed.poll()
    hands.go(60)
    store.publish(compile_policy(policy(2), hands.wall))
    snapshot = feed.poll()
    assert snapshot is not None
    assert snapshot.revision == 2
    assert refused(snapshot, hands.wall) == (False, True)
    assert refused(snapshot, NOW + 600) == (True, True)


def test_suspension_holds_over_an_older_snapshot_after_a_quarantine(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    suspend(tmp_path, hands, "ghent")
    store.publish(compile_policy(policy(2), NOW))
    feed.poll()
    snapshot = feed.set_aside(2, "workers died of it")
    assert snapshot is not None
    assert snapshot.revision == 1
    assert refused(snapshot, hands.wall) == (False, True)


def test_suspension_holds_in_the_next_process(store: SnapshotStore, tmp_path: Path, hands: Hands) -> None:
    suspend(tmp_path, hands, "ghent")
    hands.go(60)
    feed = PolicyFeed(store, DEFAULT_SITE, hands, tmp_path / "node")
    assert refused(feed.load(), hands.wall) == (False, True)
    assert feed.acts.suspensions == (Suspension("ghent", NOW, NOW + 600, "test"),)
    feed.close()


def test_local_suspension_has_the_effect_of_a_published_one(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    suspend(tmp_path, hands, "ghent")
    laid = feed.poll()
    store.publish(compile_policy(policy(2, Suspension("ghent", NOW, NOW + 600)), NOW))
    suspend(tmp_path, hands)
    published = feed.poll()
    assert laid is not None
    assert published is not None
    assert laid.rules_digest == published.rules_digest


def test_published_suspension_stays_when_the_local_one_ends(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    suspend(tmp_path, hands, None, for_s=60)
    store.publish(compile_policy(policy(2, Suspension("ghent", NOW, NOW + 600)), NOW))
    assert refused(feed.poll(), NOW) == (False, False)
    hands.go(60)
    assert refused(feed.poll(), hands.wall) == (False, True)


def test_suspension_keeps_its_duration_by_an_untrusted_wall_clock(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    hands.wall = 0
    hands.go(100)
    suspend(tmp_path, hands, "ghent")
    believed = NOW + 100
    assert refused(feed.poll(), believed) == (False, True)
    hands.go(300)
    hands.wall = NOW + 5 * HOUR
    assert refused(feed.poll(), hands.wall) == (False, True)
    hands.go(299)
    assert feed.poll() is None
    hands.go(1)
    assert refused(feed.poll(), hands.wall) == (True, True)


def test_old_snapshot_stays_without_memory_and_suspension_is_retried(
    feed: PolicyFeed, tmp_path: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = True

    def short(name: str, content: Buffer) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return seal(name, content)

    monkeypatch.setattr(snapshot_watch, "seal", short)
    suspend(tmp_path, hands, "ghent")
    assert feed.poll() is None
    assert refused(feed.snapshot, hands.wall) == (True, True)
    assert [record.getMessage() for record in caplog.records] == ["local acts not in force"]
    full = False
    found = next(filter(None, (feed.poll() for _ in range(2 * LOOKS_BETWEEN_TRIES))), None)
    assert refused(found, hands.wall) == (False, True)


def test_feed_without_a_node_directory_has_no_local_suspensions(
    store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    suspend(tmp_path, hands, "ghent")
    feed = PolicyFeed(store, DEFAULT_SITE, hands)
    assert refused(feed.load(), hands.wall) == (True, True)
    feed.close()


def test_suspensions_of_a_locally_chosen_snapshot_count_as_local(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    store.publish(compile_policy(policy(2, Suspension("ghent", NOW, NOW + 600)), NOW))
    feed.poll()
    assert feed.local_suspensions() == ()
    store.publish(compile_policy(policy(3), NOW))
    store.use(2)
    feed.poll()
    assert feed.local_suspensions() == (("ghent", NOW + 600),)
    suspend(tmp_path, hands, "ghent", None, for_s=300)
    feed.poll()
    assert dict(feed.local_suspensions()) == {"ghent": NOW + 600, None: NOW + 300}
    hands.go(600)
    feed.poll()
    assert feed.local_suspensions() == ()


def test_suspended_authorities_include_published_and_local_ones_until_they_end(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    given = (("ghent", 600), (None, 60), ("diest", 900))
    suspensions = (Suspension(authority, NOW, NOW + for_s) for authority, for_s in given)
    store.publish(compile_policy(policy(2, *suspensions), NOW))
    assert feed.poll() is not None
    assert feed.suspended() == {"ghent", None}, "diest has no range at the site"
    suspend(tmp_path, hands, "ghent", "mechelen", for_s=300)
    assert feed.poll() is not None
    assert feed.suspended() == {"ghent", "mechelen", None}
    for after_s, left in ((60, {"ghent", "mechelen"}), (240, {"ghent"}), (300, set())):
        hands.go(after_s)
        feed.poll()
        assert feed.suspended() == left, after_s
