"""The snapshot for workers, as files on disk change."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dnsfilter.control.unstored import Received, Unstored
from dnsfilter.engine.clock import Reference
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import DEFAULT_SITE, Mode, Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import RELEASED_S, Files
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor import snapshot_watch
from dnsfilter.supervisor.snapshot_watch import LOOKS_BETWEEN_TRIES, MOST_NAMED, PolicyFeed
from dnsfilter.worker.sealed import seal
from tests.support.policies import DAY, NOW, authority, ban, network, service

START = RELEASED_S + 30 * DAY


def policy(revision: int, mode: Mode = Mode.ENFORCE) -> Policy:
    return Policy(
        revision,
        authorities=(authority("ghent"),),
        ranges=(network("192.0.2.0/24", "ghent"),),
        services=(service("video", ["example.org"]),),
        bans=(ban(1, "ghent", "video", mode),),
    )


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    made = SnapshotStore(tmp_path)
    made.publish(compile_policy(policy(1), NOW))
    return made


@pytest.fixture
def feed(store: SnapshotStore) -> Iterator[PolicyFeed]:
    made = PolicyFeed(store, DEFAULT_SITE)
    yield made
    made.close()


def test_load_takes_the_current_snapshot(feed: PolicyFeed) -> None:
    assert feed.load().revision == 1
    assert len(feed.descriptors) == 4
    assert feed.trouble is None


def test_poll_returns_a_snapshot_once(feed: PolicyFeed, store: SnapshotStore) -> None:
    feed.load()
    assert feed.poll() is None
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    found = feed.poll()
    assert found is not None
    assert found.revision == 2
    assert feed.poll() is None


def test_toggle_seals_new_rules_and_manifest_and_keeps_names_and_ranges(feed: PolicyFeed, store: SnapshotStore) -> None:
    feed.load()
    manifest, names, ranges, rules = feed.descriptors
    inodes = [os.fstat(descriptor).st_ino for descriptor in (names, ranges)]
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.poll()
    assert list(feed.descriptors[1:3]) == [names, ranges]
    assert [os.fstat(descriptor).st_ino for descriptor in (names, ranges)] == inodes
    assert {manifest, rules}.isdisjoint({names, ranges})


def test_broken_snapshot_is_logged_and_previous_one_stays(feed: PolicyFeed, tmp_path: Path) -> None:
    feed.load()
    (tmp_path / "current").write_text("2 nonsense\n")
    assert feed.poll() is None
    assert feed.snapshot is not None
    assert feed.snapshot.revision == 1
    assert feed.trouble is not None
    assert "current" in feed.trouble


def test_a_snapshot_that_could_not_be_read_is_tried_again(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path
) -> None:
    feed.load()
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    manifest = max(tmp_path.glob("2.*.manifest"))
    (tmp_path / "copy" / manifest.name).unlink()
    away = manifest.rename(tmp_path / "away")
    assert feed.poll() is None
    assert feed.trouble is not None
    away.rename(manifest)
    found = next(filter(None, (feed.poll() for _ in range(2 * LOOKS_BETWEEN_TRIES))), None)
    assert found is not None
    assert found.revision == 2
    assert not feed.trouble


def test_load_uses_the_last_good_snapshot_if_the_newest_is_broken(store: SnapshotStore, tmp_path: Path) -> None:
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    newest = max(tmp_path.glob("2.*.manifest"))
    (tmp_path / "copy" / newest.name).unlink()
    complete = newest.read_bytes()
    newest.write_bytes(complete[:-5])
    feed = PolicyFeed(SnapshotStore(tmp_path), DEFAULT_SITE)
    assert feed.load().revision == 1
    assert feed.trouble is not None
    newest.write_bytes(complete)
    found = next(filter(None, (feed.poll() for _ in range(2 * LOOKS_BETWEEN_TRIES))), None)
    assert found is not None
    assert found.revision == 2
    feed.close()


def test_failed_seal_leaves_no_descriptor_open(
    feed: PolicyFeed, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.load()
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    calls = iter((True, False))

    def short(name: str, content: Buffer) -> int:
        if next(calls):
            return seal(name, content)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot_watch, "seal", short)
    before = sorted(os.listdir("/proc/self/fd"))
    assert feed.poll() is None
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert feed.snapshot is not None
    assert feed.snapshot.revision == 1


def test_load_from_an_empty_store_fails(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError):
        PolicyFeed(SnapshotStore(tmp_path / "nothing"), DEFAULT_SITE).load()


class Ticking:
    """A clock whose boot time a test sets. Its wall clock is in 1970."""

    def __init__(self) -> None:
        self.boot_s = 100

    def wall_s(self) -> int:
        return 0

    def boot_ns(self) -> int:
        return self.boot_s * 1_000_000_000


def test_elapsed_time_counts_from_the_first_snapshot_of_a_making_time(store: SnapshotStore) -> None:
    clock = Ticking()
    feed = PolicyFeed(store, DEFAULT_SITE, clock)
    feed.load()
    assert (feed.anchor.made_s, feed.anchor.boot_ms) == (NOW, 100_000)
    clock.boot_s = 160
    assert feed.age_s() == 60
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    assert feed.poll() is not None
    assert (feed.anchor.boot_ms, feed.age_s()) == (100_000, 60)
    store.publish(compile_policy(policy(3), NOW + 90))
    assert feed.poll() is not None
    assert (feed.anchor.made_s, feed.anchor.boot_ms, feed.age_s()) == (NOW + 90, 160_000, 0)
    feed.close()


class Jumping(Ticking):
    """A clock whose wall time a test sets too. No NTP client sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = START

    def wall_s(self) -> int:
        return self.wall


def test_a_clock_that_jumps_ahead_is_logged_and_dates_nothing_until_it_is_confirmed(
    store: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = Jumping()
    with closing(PolicyFeed(store, DEFAULT_SITE, clock, is_synchronized=lambda: False)) as feed:
        feed.load()
        assert feed.anchor.reference == Reference(START, 100_000)
        clock.wall, clock.boot_s = START + 400 * DAY, 110
        assert [feed.look_at_clock() for _ in range(3)] == [False] * 3
        assert (feed.now().instant, feed.wall_s()) == (START + 10, START + 10)
        assert caplog.text.count("clock has jumped ahead and is not trusted") == 1
        assert "set trust_clock = true" in caplog.records[-1].__dict__["dnsfilter_fields"]["advice"]
        clock.boot_s = 120
        assert feed.look_at_clock(Reference(START + 400 * DAY, 120_000))
        assert feed.anchor.reference == Reference(START + 400 * DAY, 120_000)
        assert feed.now().instant == feed.wall_s() == START + 400 * DAY
        assert caplog.text.count("clock is trusted again") == 1


def test_a_snapshot_that_is_loaded_during_a_jump_is_decided_by_the_believed_time(store: SnapshotStore) -> None:
    clock = Jumping()
    with closing(PolicyFeed(store, DEFAULT_SITE, clock, is_synchronized=lambda: False)) as feed:
        feed.load()
        clock.wall, clock.boot_s = START + 400 * DAY, 110
        store.publish(compile_policy(policy(2), START + 5))
        assert feed.poll() is not None
        assert feed.now().instant == START + 10
        store.publish(compile_policy(policy(3), START + 30 * DAY))  # the clock is right if that was made just now
        assert feed.poll() is not None
        assert feed.now().instant == START + 30 * DAY
        feed.trust_clock = True
        clock.boot_s = 120
        assert feed.look_at_clock()
        assert feed.now().instant == START + 400 * DAY


def test_quarantined_snapshot_is_replaced_by_the_previous_one_for_good(store: SnapshotStore, feed: PolicyFeed) -> None:
    feed.load()
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    assert feed.poll() is not None
    before = feed.set_aside(2, "workers died of it")
    assert before is not None
    assert before.revision == 1
    assert all(feed.poll() is None for _ in range(2 * LOOKS_BETWEEN_TRIES))
    store.publish(compile_policy(policy(3), NOW))
    newer = feed.poll()
    assert newer is not None
    assert newer.revision == 3


def test_snapshot_is_used_again_after_its_quarantine_ends(store: SnapshotStore, feed: PolicyFeed) -> None:
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.load()
    feed.set_aside(2, "workers died of it")
    assert feed.poll() is None
    store.unquarantine(2)
    found = [snapshot for _ in range(LOOKS_BETWEEN_TRIES + 1) if (snapshot := feed.poll()) is not None]
    assert [snapshot.revision for snapshot in found] == [2]


def test_snapshot_is_not_quarantined_without_an_older_one(store: SnapshotStore, feed: PolicyFeed) -> None:
    feed.load()
    assert feed.set_aside(1, "workers died of it") is None
    assert feed.snapshot is not None
    assert feed.snapshot.revision == 1
    assert store.quarantine_reason(1) is None
    assert PolicyFeed(store, DEFAULT_SITE).load().revision == 1, "a restart tries again"


def test_snapshot_is_quarantined_although_the_store_is_read_only(
    store: SnapshotStore, feed: PolicyFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.load()

    def refuse(*_arguments: object) -> int:
        raise PermissionError("read-only")

    monkeypatch.setattr("dnsfilter.snapshot.stored.store.flock", refuse)
    before = feed.set_aside(2, "workers died of it")
    assert before is not None
    assert before.revision == 1
    assert feed.poll() is None
    again = feed.reinstate(2)
    assert again is not None
    assert again.revision == 2


def test_snapshot_is_reinstated_unless_it_cannot_be_read(store: SnapshotStore, feed: PolicyFeed) -> None:
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.load()
    for readable in (True, False):
        feed.set_aside(2, "workers died of it")
        if not readable:
            break_current(store)
        found = feed.reinstate(2)
        assert (found is not None) is readable
        assert feed.snapshot is not None
        assert feed.snapshot.revision == (2 if readable else 1)
        assert store.quarantine_reason(2) is None


def break_current(store: SnapshotStore) -> None:
    """Damage both copies of the current manifest."""
    for path in store.directory.rglob(f"{store.current_revision()}.*.manifest"):
        path.write_bytes(b"?")


INSTEAD = "revision 1 is in force instead of 2"


@pytest.mark.parametrize(
    ("older", "newer", "lifted"),
    [
        (Mode.OFF, Mode.ENFORCE, f"{INSTEAD}, and does not refuse all of ghent/video"),
        (Mode.ENFORCE, Mode.ENFORCE, None),
        (Mode.ENFORCE, Mode.OFF, None),
    ],
)
def test_bans_that_a_quarantine_lifts_are_named_also_after_a_restart(
    tmp_path: Path, older: Mode, newer: Mode, lifted: str | None
) -> None:
    store = SnapshotStore(tmp_path)
    for revision, mode in ((1, older), (2, newer)):
        store.publish(compile_policy(policy(revision, mode), NOW))
    for restarted in (False, True):
        with closing(PolicyFeed(store, DEFAULT_SITE)) as feed:
            feed.load()
            if not restarted:
                assert feed.lifted() is None
                feed.set_aside(2, "workers died of it")
            assert feed.lifted() == lifted
    with closing(PolicyFeed(store, DEFAULT_SITE)) as feed:
        feed.load()
        store.publish(compile_policy(policy(3), NOW))
        assert feed.poll() is not None
        assert feed.lifted() is None


@pytest.mark.parametrize(
    ("older", "newer", "lifted"),
    [
        (Mode.OFF, Mode.ENFORCE, f"{INSTEAD}, and does not refuse all of ghent/video"),
        (Mode.ENFORCE, Mode.ENFORCE, None),
    ],
)
def test_bans_are_named_that_the_quarantine_of_a_snapshot_in_memory_lifts(
    tmp_path: Path, older: Mode, newer: Mode, lifted: str | None
) -> None:
    store = SnapshotStore(tmp_path)
    store.publish(compile_policy(policy(1, older), NOW))
    with closing(PolicyFeed(store, DEFAULT_SITE)) as feed:
        feed.load()
        held = unstored(2, newer)
        feed.poll(held)
        feed.set_aside(2, "workers died of it")
        assert (feed.poll(held), feed.lifted()) == (None, lifted)
        again = feed.reinstate(2)
        assert again is not None
        assert (again.revision, feed.lifted()) == (2, None)


def test_a_snapshot_in_memory_that_replaces_a_quarantined_one_lifts_nothing(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for revision, mode in ((1, Mode.OFF), (2, Mode.ENFORCE)):
        store.publish(compile_policy(policy(revision, mode), NOW))
    with closing(PolicyFeed(store, DEFAULT_SITE)) as feed:
        feed.load()
        feed.set_aside(2, "workers died of it")
        assert feed.lifted() is not None
        assert feed.poll(unstored(3, Mode.ENFORCE)) is not None
        assert feed.lifted() is None


def test_damage_of_the_newest_snapshot_may_lift_bans(store: SnapshotStore, feed: PolicyFeed) -> None:
    store.publish(compile_policy(policy(2), NOW))
    break_current(store)
    feed.load()
    assert feed.lifted() == f"{INSTEAD}, which cannot be read: its bans may not be refused"


def test_snapshot_that_was_chosen_here_lifts_nothing_by_itself(store: SnapshotStore, feed: PolicyFeed) -> None:
    store.publish(compile_policy(policy(2), NOW))
    store.use(1)
    feed.load()
    assert feed.lifted() is None


def test_message_names_some_of_many_lifted_bans(tmp_path: Path) -> None:
    store, slugs = SnapshotStore(tmp_path), [f"town-{number:02}" for number in range(MOST_NAMED + 2)]
    for revision, mode in ((1, Mode.OFF), (2, Mode.ENFORCE)):
        towns = Policy(
            revision,
            authorities=tuple(map(authority, slugs)),
            ranges=tuple(network(f"192.0.2.{number}/32", slug) for number, slug in enumerate(slugs)),
            services=(service("video", ["example.org"]),),
            bans=tuple(ban(number, slug, "video", mode) for number, slug in enumerate(slugs, 1)),
        )
        store.publish(compile_policy(towns, NOW))
    with closing(PolicyFeed(store, DEFAULT_SITE)) as feed:
        feed.load()
        feed.set_aside(2, "workers died of it")
        assert (feed.lifted() or "").endswith(f"town-{MOST_NAMED - 1:02}/video and 2 more")


def test_locally_chosen_revision_is_kept_until_a_higher_one_comes(feed: PolicyFeed, store: SnapshotStore) -> None:
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.load()
    assert feed.held_up_to is None
    store.use(1)
    assert feed.held_up_to is None, "it is not in use yet"
    feed.poll()
    assert feed.held_up_to == 2
    store.publish(compile_policy(policy(3), NOW))
    feed.poll()
    assert feed.held_up_to is None
    store.use(1)
    store.quarantine(1)
    assert feed.poll() is None
    assert feed.held_up_to is None, "the chosen revision is not in use"
    store.use(3)
    feed.poll()
    assert feed.held_up_to is None, "the newest revision holds back no other"


def test_unreadable_store_is_logged_once_until_it_is_readable(
    feed: PolicyFeed, store: SnapshotStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feed.load()
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    for _ in range(3):
        assert feed.poll() is None
    said = [feed.unreadable]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    away.rename(tmp_path)
    store.publish(compile_policy(policy(2), NOW))
    found = feed.poll()
    assert found is not None
    assert found.revision == 2
    assert [*said, feed.unreadable] == [f"read {tmp_path}/current: No such file or directory", None]


def test_store_that_never_existed_is_no_trouble(tmp_path: Path) -> None:
    with closing(PolicyFeed(SnapshotStore(tmp_path / "none"), DEFAULT_SITE)) as feed:
        assert (feed.poll(), feed.unreadable) == (None, None)


def unstored(revision: int, mode: Mode = Mode.OFF) -> Unstored:
    made = compile_policy(policy(revision, mode), NOW)
    files = Files(revision, made.manifest, made.names.data, made.ranges.data, made.rules.data)
    return Unstored(Received(made.manifest, {}, replace_chosen=False), files, "no space left on device", None)


def test_a_snapshot_in_memory_is_used_until_another_one_is_on_disk(feed: PolicyFeed, store: SnapshotStore) -> None:
    feed.load()
    held = unstored(2)
    found = feed.poll(held)
    assert found is not None
    assert (found.revision, feed.poll(held)) == (2, None)
    assert feed.remark == "revision 2 is in force, but only in memory: no space left on device"
    newer = unstored(3, Mode.ENFORCE)
    found = feed.poll(newer)
    assert found is not None
    assert found.revision == 3
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))  # as `snapshot use` does
    chosen = feed.poll(newer)
    assert chosen is not None
    assert chosen.revision == 2
    assert feed.poll(newer) is None
    remark: str | None = feed.remark
    assert remark is None


def test_a_snapshot_in_memory_that_is_on_disk_at_last_is_not_loaded_twice(
    feed: PolicyFeed, store: SnapshotStore
) -> None:
    feed.load()
    feed.poll(unstored(2))
    store.publish(compile_policy(policy(2, Mode.OFF), NOW))
    feed.poll()
    assert (feed.poll(), feed.remark) == (None, None)


def test_a_quarantined_snapshot_in_memory_is_not_used(feed: PolicyFeed, store: SnapshotStore) -> None:
    feed.load()
    held = unstored(2)
    assert feed.poll(held) is not None
    assert feed.set_aside(2, "workers died of it") is not None
    assert all(feed.poll(each) is None for each in (held, unstored(2)))
    assert feed.snapshot is not None
    assert feed.snapshot.revision == 1
