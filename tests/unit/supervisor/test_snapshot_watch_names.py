"""Names of a node itself, applied to the snapshot in use."""

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.local.believed_clock import this_boot
from dnsfilter.local.local_names import FILE_NAME, GivenName, change_names
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.policy.single_names import NameVerdict
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.wire.names import parse_name
from tests.support.policies import NOW
from tests.unit.supervisor.test_snapshot_watch_suspended import Hands, policy, suspend

FREE = "cdn.example.org"


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


def set_here(tmp_path: Path, hands: Hands, *names: str, verdict: NameVerdict = NameVerdict.ALLOW) -> None:
    now = ClockReading(hands.wall, hands.boot * 1000, this_boot())
    given = tuple(GivenName("ghent", parse_name(name), False, verdict, now, 600, "test") for name in names)
    change_names(tmp_path / "node" / FILE_NAME, now, lambda _: given)


def refused(snapshot: Snapshot | None, at: int, name: str) -> tuple[bool, bool]:
    """Return whether the clients of Ghent and of Mechelen are refused."""
    assert snapshot is not None
    ghent, mechelen = (
        snapshot.decide(ip_address(client), parse_name(name), at).verdict is Verdict.REFUSE
        for client in ("192.0.2.1", "198.51.100.1")
    )
    return ghent, mechelen


def test_allowed_name_is_in_force_with_the_next_poll_until_its_end(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    published = feed.snapshot
    set_here(tmp_path, hands, FREE)
    snapshot = feed.poll()
    assert refused(snapshot, NOW, f"www.{FREE}") == (False, True)
    assert refused(snapshot, NOW, "example.org") == (True, True)
    assert refused(snapshot, NOW + 600, FREE) == (True, True), "it ends without another snapshot"
    assert [(each.authority, each.end) for each in feed.acts.names] == [("ghent", NOW + 600)]
    assert feed.poll() is None
    hands.go(600)
    after = feed.poll()
    assert published is not None
    assert after is not None
    assert after.rules_digest == published.rules_digest
    assert feed.acts.names == ()


def test_refused_name_is_in_force_with_the_next_poll_until_its_end(
    feed: PolicyFeed, tmp_path: Path, hands: Hands
) -> None:
    published = feed.snapshot
    set_here(tmp_path, hands, "example.net", verdict=NameVerdict.REFUSE)
    snapshot = feed.poll()
    assert refused(snapshot, NOW, "www.example.net") == (True, False)
    assert refused(snapshot, NOW, "example.org") == (True, True)
    assert refused(snapshot, NOW + 600, "example.net") == (False, False), "it ends without another snapshot"
    hands.go(600)
    after = feed.poll()
    assert published is not None
    assert after is not None
    assert (after.names_digest, after.rules_digest) == (published.names_digest, published.rules_digest)


def test_refused_name_holds_over_a_new_snapshot_whose_names_are_not_read_again(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    set_here(tmp_path, hands, "example.net", verdict=NameVerdict.REFUSE)
    feed.poll()
    names = feed.descriptors[1]
    for revision in (2, 3):
        hands.go(60)
        store.publish(compile_policy(policy(revision), hands.wall))
        snapshot = feed.poll()
        assert snapshot is not None
        assert (snapshot.revision, refused(snapshot, hands.wall, "example.net")) == (revision, (True, False))
        assert feed.descriptors[1] == names
    manifest, content, _, rules = (Path(f"/proc/self/fd/{each}").read_bytes() for each in feed.descriptors)
    said = parse_manifest(manifest)
    assert (said.names.digest, said.rules.digest) == (sha256(content).digest(), sha256(rules).digest())


def test_name_holds_over_a_new_snapshot_and_a_restart(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, hands: Hands
) -> None:
    set_here(tmp_path, hands, FREE)
    feed.poll()
    hands.go(60)
    store.publish(compile_policy(policy(2), hands.wall))
    snapshot = feed.poll()
    assert snapshot is not None
    assert (snapshot.revision, refused(snapshot, hands.wall, FREE)) == (2, (False, True))
    restarted = PolicyFeed(store, DEFAULT_SITE, hands, tmp_path / "node")
    assert refused(restarted.load(), hands.wall, FREE) == (False, True)
    restarted.close()


def test_name_and_suspension_hold_together(feed: PolicyFeed, tmp_path: Path, hands: Hands) -> None:
    set_here(tmp_path, hands, FREE)
    suspend(tmp_path, hands, "mechelen", for_s=300)
    snapshot = feed.poll()
    assert refused(snapshot, NOW, FREE) == (False, False)
    assert refused(snapshot, NOW, "example.org") == (True, False)
    assert refused(snapshot, NOW + 300, FREE) == (False, True)


def test_changes_are_logged(feed: PolicyFeed, tmp_path: Path, hands: Hands, caplog: pytest.LogCaptureFixture) -> None:
    set_here(tmp_path, hands, FREE)
    feed.poll()
    set_here(tmp_path, hands)
    feed.poll()
    assert [record.getMessage() for record in caplog.records] == ["local name in force", "local name ended"]
