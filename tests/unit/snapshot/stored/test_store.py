"""The store: atomic publishing, verified reading, falling back, rollback, quarantine, pruning."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import Compiled, compile_names, compile_policy
from dnsfilter.snapshot.contents import RELEASED_S
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.support.opened_snapshot import opened
from tests.support.policies import DAY, NOW, ban, network, policy, service

GHENT = policy(network("192.0.2.0/24", "ghent"), service("tiktok", ["tiktok.example"]), ban(1, "ghent", "tiktok"))


def compiled(revision: int, mode: Mode = Mode.ENFORCE, made_s: int = NOW) -> Compiled:
    return compile_policy(replace(GHENT, revision=revision, bans=(ban(1, "ghent", "tiktok", mode),)), made_s)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


@pytest.fixture
def store(directory: Path) -> SnapshotStore:
    return SnapshotStore(directory)


def files_of(directory: Path, suffix: str) -> list[Path]:
    return sorted(directory.glob(f"*.{suffix}"))


def spoil(path: Path) -> None:
    """Flip a bit of the file, and remove its second copy."""
    drop_copy(path)
    flip(path)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def drop_copy(path: Path) -> None:
    (path.parent / "copy" / path.name).unlink(missing_ok=True)


def test_published_snapshot_is_loaded(store: SnapshotStore) -> None:
    made = compiled(7)
    assert store.publish(made)
    files = store.read_current()
    assert (files.revision, files.manifest) == (7, made.manifest)
    assert (files.names, files.ranges, files.rules) == (made.names.data, made.ranges.data, made.rules.data)
    snapshot = opened(store)
    assert snapshot.revision == 7
    decision = snapshot.decide(ip_address("192.0.2.1"), parse_name("tiktok.example"), NOW)
    assert decision.verdict is Verdict.REFUSE


def test_publishing_the_same_again_changes_nothing(store: SnapshotStore) -> None:
    store.publish(compiled(7))
    token = store.current_token()
    assert not store.publish(compiled(7))
    assert store.current_token() == token


def test_a_toggle_writes_rules_and_manifest_only(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1))
    before = {path.name: path.stat().st_ino for path in directory.iterdir()}
    token = store.current_token()
    assert store.publish(compiled(2, Mode.OFF))
    assert store.current_token() != token
    after = {path.name: path.stat().st_ino for path in directory.iterdir()}
    written = {name.rpartition(".")[2] for name, inode in after.items() if before.get(name) != inode}
    assert written == {"rules", "manifest", "current"}


def test_a_lower_revision_is_refused(store: SnapshotStore) -> None:
    store.publish(compiled(7))
    with pytest.raises(SnapshotError, match="publish revision 6: revision 7 is current"):
        store.publish(compiled(6))
    assert store.read_current().revision == 7


def test_same_revision_compiled_again_replaces_its_manifest(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(7))
    assert store.publish(compiled(7, made_s=NOW + 60))
    assert opened(store).made_s == NOW + 60
    assert len(files_of(directory, "manifest")) == 1


IMPLAUSIBLE = (-1, 0, 5, RELEASED_S - 1)


def test_clock_before_the_release_is_not_used_as_creation_time(store: SnapshotStore) -> None:
    """The newest creation time counts, for any revision, but none before the release."""
    for made_s, counts in ((None, RELEASED_S), (RELEASED_S - DAY, RELEASED_S), (RELEASED_S + DAY, RELEASED_S + DAY)):
        if made_s is not None:
            store.publish(compiled(7, made_s=made_s))
        assert [store.creation_time_s(clock_s) for clock_s in IMPLAUSIBLE] == [counts] * len(IMPLAUSIBLE)


@pytest.mark.parametrize("ahead_s", [-DAY, -1, 0, 1, 40 * 365 * DAY])
def test_clock_after_the_release_is_used_for_any_earlier_snapshot(store: SnapshotStore, ahead_s: int) -> None:
    clock_s = RELEASED_S + 2 * DAY
    store.publish(compiled(7, made_s=clock_s + ahead_s))
    assert (store.creation_time_s(clock_s), store.creation_time_s(RELEASED_S)) == (clock_s, RELEASED_S)


def test_corrected_creation_time_in_the_future_does_not_return(store: SnapshotStore) -> None:
    store.publish(compiled(7, made_s=RELEASED_S + 40 * 365 * DAY))
    store.publish(compiled(8, made_s=store.creation_time_s(RELEASED_S + DAY)))
    assert store.creation_time_s(0) == RELEASED_S + DAY


def test_without_a_readable_current_snapshot_the_newest_readable_one_counts(
    store: SnapshotStore, directory: Path
) -> None:
    for revision in (7, 8, 9):
        store.publish(compiled(revision, made_s=RELEASED_S + revision))
    spoil(next(directory.glob("9.*.manifest")))
    assert store.creation_time_s(0) == RELEASED_S + 8
    (directory / "current").write_text("nonsense")
    assert store.creation_time_s(0) == RELEASED_S + 8
    for revision in (7, 8):
        spoil(next(directory.glob(f"{revision}.*.manifest")))
    assert store.creation_time_s(0) == RELEASED_S


def test_other_users_may_read(store: SnapshotStore, directory: Path) -> None:
    mask = os.umask(0o022)
    try:
        store.publish(compiled(1))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*")}
    assert modes.pop("copy") == 0o755
    assert set(modes.values()) == {0o644}


def test_empty_store_raises_an_error(store: SnapshotStore, directory: Path) -> None:
    assert store.current_token() is None
    assert store.revisions() == ()
    for read in (store.read_current, store.read_last_good):
        with pytest.raises(SnapshotError, match="current: No such file"):
            read()
    assert not directory.exists()


@pytest.mark.parametrize("suffix", ["names", "ranges", "rules", "manifest"])
def test_changed_byte_is_detected_and_the_file_named(store: SnapshotStore, directory: Path, suffix: str) -> None:
    store.publish(compiled(1))
    (path,) = files_of(directory, suffix)
    spoil(path)
    with pytest.raises(SnapshotError, match=rf"{path.name}: its content does not match its digest"):
        store.read_current()


@pytest.mark.parametrize("suffix", ["names", "ranges", "rules", "manifest"])
def test_missing_or_short_file_is_detected_and_named(store: SnapshotStore, directory: Path, suffix: str) -> None:
    store.publish(compiled(1))
    (path,) = files_of(directory, suffix)
    drop_copy(path)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(SnapshotError, match=path.name):
        store.read_current()
    path.unlink()
    with pytest.raises(SnapshotError, match=f"{path.name}: No such file"):
        store.read_current()


@pytest.mark.parametrize("content", [b"", b"1\n", b"../../etc/passwd", b"1 " + b"a" * 64, b"x" * 1000])
def test_invalid_current_file_is_rejected(store: SnapshotStore, directory: Path, content: bytes) -> None:
    store.publish(compiled(1))
    (directory / "current").write_bytes(content)
    with pytest.raises(SnapshotError, match="current: it names no revision"):
        store.read_current()
    files, reason = store.read_last_good()
    assert files.revision == 1
    assert reason is not None


def test_publishing_repairs_a_damaged_file(directory: Path) -> None:
    SnapshotStore(directory).publish(compiled(1))
    for suffix in ("names", "rules"):
        spoil(files_of(directory, suffix)[0])
    store = SnapshotStore(directory)
    store.publish(compiled(2))
    assert store.read_current().revision == 2


def test_known_files_are_not_read_again(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1))
    known = store.read_current()
    store.publish(compiled(2, Mode.OFF))
    files_of(directory, "names")[0].unlink()
    files = store.read_current(known)
    assert files.revision == 2
    assert files.names is known.names


def test_last_good_snapshot_is_the_newest_complete_one(store: SnapshotStore, directory: Path) -> None:
    for revision, mode in ((1, Mode.ENFORCE), (2, Mode.MONITOR), (3, Mode.OFF)):
        store.publish(compiled(revision, mode))
    assert store.read_last_good() == (store.read_current(), None)
    for path in (directory / f"{compiled(3, Mode.OFF).rules.digest.hex()}.rules", *directory.glob("2.*.manifest")):
        spoil(path)
    files, reason = store.read_last_good()
    assert files.revision == 1
    assert reason is not None
    assert ".rules: its content" in reason
    assert ".manifest: its content" in reason


def test_error_has_every_reason_if_no_snapshot_is_complete(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1))
    store.publish(compiled(2, Mode.OFF))
    spoil(files_of(directory, "names")[0])
    with pytest.raises(SnapshotError, match=r"names: its content.*; .*names: its content"):
        store.read_last_good()


def test_newer_snapshot_that_was_rolled_back_does_not_return(store: SnapshotStore, directory: Path) -> None:
    for revision, mode in ((1, Mode.ENFORCE), (2, Mode.MONITOR), (3, Mode.OFF)):
        store.publish(compiled(revision, mode))
    store.use(2)
    spoil(directory / f"{compiled(2, Mode.MONITOR).rules.digest.hex()}.rules")
    assert store.read_last_good()[0].revision == 1


def test_an_earlier_revision_can_be_used_again(store: SnapshotStore) -> None:
    store.publish(compiled(1))
    store.publish(compiled(2, Mode.OFF))
    store.use(1)
    assert store.read_current().revision == 1
    store.publish(compiled(3))
    assert store.read_current().revision == 3


def test_store_lists_its_revisions_and_their_state(store: SnapshotStore, directory: Path) -> None:
    for revision in (1, 2, 3):
        store.publish(compiled(revision))
    store.use(2)
    store.quarantine(3, "workers died of it")
    store.quarantine(1)
    assert store.revisions() == (3, 2, 1)
    assert [store.quarantine_reason(revision) for revision in store.revisions()] == ["workers died of it", None, ""]
    assert store.manifest(3) == parse_manifest(compiled(3).manifest)
    store.check(2)
    for revision, reason in ((3, "quarantined"), (9, "not in")):
        with pytest.raises(SnapshotError, match=reason):
            store.check(revision)
    assert store.directory == directory


def test_missing_or_incomplete_revision_cannot_be_used(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1, Mode.OFF))
    store.publish(compiled(2))
    with pytest.raises(SnapshotError, match="use revision 9: it is not in"):
        store.use(9)
    spoil(directory / f"{compiled(1, Mode.OFF).rules.digest.hex()}.rules")
    with pytest.raises(SnapshotError, match="does not match its digest"):
        store.use(1)
    assert store.read_current().revision == 2


def test_store_follows_no_link_and_does_not_block_on_a_fifo(store: SnapshotStore, directory: Path) -> None:
    for revision in (1, 2):
        store.publish(compiled(revision))
    (directory.parent / "secret").write_text("a secret")
    (directory / "1.quarantined").symlink_to(directory.parent / "secret")
    os.mkfifo(directory / "2.quarantined")
    assert [store.quarantine_reason(revision) for revision in (1, 2)] == ["", ""]
    current = directory / "current"
    current.rename(directory.parent / "current")
    current.symlink_to(directory.parent / "current")
    assert store.current_revision() is None


def test_a_quarantined_revision_is_passed_over_until_its_mark_is_removed(store: SnapshotStore) -> None:
    store.publish(compiled(1))
    store.publish(compiled(2, Mode.OFF))
    store.quarantine(2, "three workers died")
    with pytest.raises(SnapshotError, match=r"revision 2 in .* is quarantined"):
        store.read_current()
    files, reason = store.read_last_good()
    assert files.revision == 1
    assert reason is not None
    assert "quarantined" in reason
    with pytest.raises(SnapshotError, match="quarantined"):
        store.use(2)
    store.publish(compiled(3))
    assert store.read_current().revision == 3
    store.unquarantine(2)
    store.use(2)
    assert store.read_current().revision == 2


def test_newer_or_quarantined_revision_is_read_if_no_other_is_complete(store: SnapshotStore) -> None:
    with pytest.raises(SnapshotError, match="no revision is complete"):
        store.read_any()
    for revision in (1, 2, 3):
        store.publish(compiled(revision, Mode.OFF if revision == 2 else Mode.ENFORCE))
    store.use(1)
    store.quarantine(1)
    store.quarantine(3)
    with pytest.raises(SnapshotError, match="quarantined"):
        store.read_last_good()
    assert store.read_any().revision == 2
    spoil(store.directory / f"{compiled(2, Mode.OFF).rules.digest.hex()}.rules")
    assert store.read_any().revision == 3


@pytest.mark.parametrize("suffix", ["names", "ranges", "rules", "manifest"])
def test_a_damaged_file_is_read_from_its_second_copy_and_written_again(
    store: SnapshotStore, directory: Path, suffix: str
) -> None:
    store.publish(compiled(1, Mode.OFF))
    store.publish(compiled(2))
    made, damaged = compiled(2), files_of(directory, suffix)[-1]
    if suffix == "rules":
        damaged = directory / f"{made.rules.digest.hex()}.rules"
    flip(damaged)
    files = store.read_current()
    assert (files.manifest, files.names, files.rules) == (made.manifest, made.names.data, made.rules.data)
    assert [str(damaged) in reason for reason in files.damaged] == [True]
    assert not SnapshotStore(directory).publish(made)
    assert store.read_current().damaged == ()
    spoil(damaged)
    with pytest.raises(SnapshotError, match="does not match its digest"):
        store.read_current()


def test_second_copy_has_only_the_current_revision(store: SnapshotStore, directory: Path) -> None:
    def copied() -> set[str]:
        return {path.name for path in (directory / "copy").iterdir()}

    for revision in (1, 2, 3):
        store.publish(compiled(revision, Mode.OFF if revision % 2 else Mode.ENFORCE))
        assert len(copied()) == 4
    store.use(2)
    assert f"{compiled(2).rules.digest.hex()}.rules" in copied()
    (directory / "copy").rename(directory / "aside")
    (directory / "copy").write_text("in the way")
    assert store.publish(compiled(4, Mode.OFF))
    assert store.read_current().revision == 4, "a disk that takes no second copy keeps no snapshot back"


def names_files(directory: Path, made: Compiled) -> list[tuple[str, int]]:
    """Return the places and inodes of a snapshot's names file."""
    found = directory.rglob(f"{made.names.digest.hex()}.names")
    return sorted((str(path.parent.relative_to(directory)), path.stat().st_ino) for path in found)


def test_publishing_moves_a_names_file_that_was_written_ahead(store: SnapshotStore, directory: Path) -> None:
    made = compiled(7)
    store.write_ahead(compile_names((service("other", ["other.example"]),)))
    store.write_ahead(made.names)
    (ahead, first), (second_ahead, second) = names_files(directory, made)
    assert (ahead, second_ahead) == ("ahead", "ahead/copy")
    assert len(list(directory.rglob("*.names"))) == 2, "only the last one is kept"
    assert store.publish(made)
    assert names_files(directory, made) == [(".", first), ("copy", second)]
    store.write_ahead(made.names)
    assert names_files(directory, made) == [(".", first), ("copy", second)], "it is there"
    files = SnapshotStore(directory).read_current()
    assert (files.names, files.damaged) == (made.names.data, ())


def test_a_names_file_written_ahead_that_is_lost_or_damaged_is_written_again(
    store: SnapshotStore, directory: Path
) -> None:
    made = compiled(7)
    store.write_ahead(made.names)
    for path in (directory / "ahead").rglob("*.names"):
        flip(path)
    assert store.publish(made)
    assert store.read_current().names == made.names.data
    assert [place for place, _ in names_files(directory, made)] == [".", "ahead", "ahead/copy", "copy"]
    assert (directory / "copy" / f"{made.names.digest.hex()}.names").read_bytes() == made.names.data
    other = replace(made, revision=8, names=compile_names(GHENT.services, bytes(16)))
    (directory / "ahead").rename(directory / "aside")
    (directory / "ahead").write_text("in the way")
    store.write_ahead(other.names)
    assert names_files(directory, other) == [], "a disk that takes no file ahead stops no act"
    assert store.publish(compiled(8, Mode.OFF))


def test_pruning_keeps_what_current_and_kept_manifests_name(store: SnapshotStore, directory: Path) -> None:
    for revision in range(1, 7):
        store.publish(compiled(revision, Mode.OFF if revision % 2 else Mode.ENFORCE, NOW + revision))
    store.use(2)
    (directory / "left.new").write_bytes(b"a writer died here")
    store.quarantine(1)
    store.quarantine(6)
    assert store.prune(2) == (4, 3, 1)
    assert [path.name.partition(".")[0] for path in files_of(directory, "manifest")] == ["2", "5", "6"]
    assert store.read_current().revision == 2
    assert not list(directory.glob("*.new"))
    assert [path.name for path in files_of(directory, "quarantined")] == ["6.quarantined"]
    store.use(5)
    assert store.read_current().revision == 5
    assert store.prune(0) == (6, 2)
    assert len(files_of(directory, "rules")) == 1
    assert store.read_current().revision == 5


def test_pruning_with_a_broken_manifest_removes_no_file(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1))
    store.publish(compiled(2, Mode.OFF))
    spoil(next(directory.glob("2.*.manifest")))
    assert store.prune(0) == (1,)
    assert len(files_of(directory, "rules")) == 2


def test_disk_error_is_an_unavailable_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match=r"publish revision 1: .*file"):
        SnapshotStore(tmp_path / "file" / "snapshots").publish(compiled(1))


PUBLISH = """
import sys
from pathlib import Path
from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.unit.snapshot.stored.test_store import compiled
store = SnapshotStore(Path(sys.argv[1]))
for revision in range(int(sys.argv[2]), 60, 2):
    try:
        store.publish(compiled(revision))
        store.prune(1)
    except SnapshotError as error:
        assert "is current" in str(error)
"""


@pytest.mark.heavy
def test_two_writers_and_a_reader_never_get_an_incomplete_snapshot(store: SnapshotStore, directory: Path) -> None:
    store.publish(compiled(1))
    root = Path(__file__).parents[4]
    writers = [
        subprocess.Popen([sys.executable, "-c", PUBLISH, str(directory), first], cwd=root) for first in ("2", "3")
    ]
    seen = [1]
    try:
        while any(writer.poll() is None for writer in writers):
            seen.append(store.read_current().revision)
    finally:
        codes = [writer.wait(timeout=60) for writer in writers]
    assert codes == [0, 0]
    assert seen == sorted(seen)
    assert store.read_current().revision == 59


def received(store: SnapshotStore, made: Compiled) -> tuple[bytes, ...]:
    """Let the store receive its missing files. Return their digests."""
    every = {file.digest: file.data for file in (made.names, made.ranges, made.rules)}
    missing = [file.digest for file in store.missing(parse_manifest(made.manifest))]
    store.receive(made.manifest, {digest: every[digest] for digest in missing})
    return tuple(missing)


@pytest.mark.parametrize("sync_late", [False, True])
def test_snapshot_from_elsewhere_is_received_once(directory: Path, sync_late: bool) -> None:
    store = SnapshotStore(directory, sync_late=sync_late)
    first, toggled = compiled(1), compiled(2, Mode.OFF)
    assert received(store, first) == (first.names.digest, first.ranges.digest, first.rules.digest)
    assert received(store, toggled) == (toggled.rules.digest,)
    assert SnapshotStore(directory).missing(parse_manifest(first.manifest)) == ()
    assert SnapshotStore(directory).read_current().manifest == toggled.manifest
    assert not list(directory.glob("*.new"))


def test_damaged_file_counts_as_missing(store: SnapshotStore, directory: Path) -> None:
    made = compiled(1)
    received(store, made)
    spoil(directory / f"{made.rules.digest.hex()}.rules")
    assert [file.digest for file in SnapshotStore(directory).missing(parse_manifest(made.manifest))] == [
        made.rules.digest
    ]


def test_snapshot_without_all_its_files_is_not_received(store: SnapshotStore) -> None:
    received(store, compiled(1))
    with pytest.raises(SnapshotError, match=r"receive revision 2: [0-9a-f]{64}\.rules is missing"):
        store.receive(compiled(2, Mode.OFF).manifest, {})
    assert store.read_current().revision == 1


def test_lower_revision_is_received(store: SnapshotStore) -> None:
    received(store, compiled(7))
    received(store, compiled(6))
    assert store.read_current().revision == 6


def test_manifests_come_from_the_highest_revision_down_for_any_current_one(
    store: SnapshotStore, directory: Path
) -> None:
    assert list(store.manifests()) == []
    for revision in (7, 8, 9):
        received(store, compiled(revision))
    store.use(7)
    spoil(next(directory.glob("9.*.manifest")))
    assert list(store.manifests()) == [compiled(8).manifest, compiled(7).manifest]


def test_power_cut_with_late_syncs_leaves_the_previous_snapshot(directory: Path) -> None:
    """A file that was not synced may exist without its content."""
    store = SnapshotStore(directory, sync_late=True)
    for revision in (7, 8):
        received(store, compiled(revision))
    for lost in (directory / "current", next(directory.glob("8.*.manifest"))):
        drop_copy(lost)
        lost.write_bytes(b"")
    files, reason = SnapshotStore(directory).read_last_good()
    assert files.revision == 7
    assert reason is not None
