"""Snapshots from the control plane: accepted and refused ones."""

import errno
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsfilter import disk
from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control import puller
from dnsfilter.control.http_client import ControlClient
from dnsfilter.control.identity import Identity
from dnsfilter.control.puller import Puller
from dnsfilter.control.unstored import Memory
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import Compiled, compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.policies import NOW, ban, network, policy, service
from tests.unit.control.conftest import compiled

MakePuller = Callable[[], Puller]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def make_puller(plane: Played, tmp_path: Path) -> Iterator[MakePuller]:
    """Make pullers into that store, as each start of a node does."""
    with ControlClient(ControlPlane(url=plane.url)) as client:
        identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
        yield lambda: Puller(client, tmp_path, identity, clock=lambda: NOW + 7200)


def files_asked(plane: Played) -> list[str]:
    return [each.path.rpartition("/")[2] for each in plane.asked("/v1/nodes/self/files/")]


def test_first_snapshot_is_pulled_with_all_its_files(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    made = compiled(1)
    assert make_puller().pull(0) == 1
    assert store.read_current().manifest == plane.manifest
    assert files_asked(plane) == [file.digest.hex() for file in (made.names, made.ranges, made.rules)]
    assert "if-none-match" not in plane.asked("/v1/nodes/self/snapshot")[0].headers


def test_callback_is_called_when_the_snapshot_is_current(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    placed: list[int | None] = []
    pulling = make_puller()
    pulling.pull(0, lambda: placed.append(store.current_revision()))
    pulling.pull(0, lambda: placed.append(store.current_revision()))
    plane.script.alter_file = lambda data: b""
    plane.publish(compiled(2, Mode.OFF))
    assert_refused(plane, pulling, store, "revision 2 refused")
    assert placed == [1]


def test_toggle_fetches_only_rules(plane: Played, make_puller: MakePuller, store: SnapshotStore) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(2, Mode.OFF))
    assert pulling.pull(0) == 2
    assert store.current_revision() == 2
    assert files_asked(plane)[3:] == [compiled(2, Mode.OFF).rules.digest.hex()]


def test_known_snapshot_is_not_fetched_again_after_a_restart(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    make_puller().pull(0)
    assert make_puller().pull(0) is None
    assert plane.asked("/v1/nodes/self/snapshot")[-1].headers["if-none-match"] == f'"{plane.tag}"'


def test_request_asks_the_control_plane_to_wait(plane: Played, make_puller: MakePuller) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.script.waits = False
    pulling.pull(25)
    assert plane.asked("/v1/nodes/self/snapshot")[-1].query == {"wait": ["25"]}


def test_revision_that_is_made_again_is_pulled(plane: Played, make_puller: MakePuller, store: SnapshotStore) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(1, Mode.OFF))
    assert pulling.pull(0) == 1
    assert store.read_current().manifest == plane.manifest


def with_names(revision: int, single: str, mode: Mode = Mode.ENFORCE) -> Compiled:
    """Return a snapshot of a ban on many names, and another name."""
    many = service("video", [f"n{number}.example.org" for number in range(2_000)])
    other = service("games", [single])
    named = policy(network("192.0.2.0/24", "ghent"), many, other, ban(1, "ghent", "video", mode), revision=revision)
    return compile_policy(named, NOW)


def swapped(data: bytes) -> bytes:
    """Return changes that lead to another file: the pieces are the same, and the first byte of the new file is not."""
    end = 4 + 24 * int.from_bytes(data[:4], "little")
    content = bytearray(zlib.decompress(data[end:]))
    content[0] ^= 1
    return data[:end] + zlib.compress(bytes(content))


@pytest.mark.parametrize(
    "alter", [None, bytes, lambda data: data[:-20], swapped], ids=["none", "right", "cut", "other"]
)
def test_names_are_fetched_as_changes_and_completely_if_these_do_not_lead_to_them(
    plane: Played,
    make_puller: MakePuller,
    store: SnapshotStore,
    monkeypatch: pytest.MonkeyPatch,
    alter: Callable[[bytes], bytes] | None,
) -> None:
    monkeypatch.setattr(puller, "LEAST_BYTES", 1)
    plane.script.alter_changes = alter
    first, second = with_names(2, "example.net"), with_names(3, "games.example.net")
    pulling = make_puller()
    for made in (first, second):
        plane.publish(made)
        assert pulling.pull(0) == made.revision
        assert bytes(store.read_current().names) == made.names.data
    asked = [each for each in plane.asked("/v1/nodes/self/files/") if each.path.endswith(second.names.digest.hex())]
    complete = alter is None or alter is bytes
    since = {"since": [first.names.digest.hex()]}
    assert [each.query for each in asked] == ([since] if complete else [since, {}])


def test_small_names_and_rules_of_any_size_are_fetched_completely(
    plane: Played, make_puller: MakePuller, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.script.alter_changes = bytes
    names, rules = with_names(2, "games.example.net"), with_names(3, "games.example.net", Mode.OFF)
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(names)
    pulling.pull(0)
    monkeypatch.setattr(puller, "LEAST_BYTES", 1)
    plane.publish(rules)
    pulling.pull(0)
    assert {names.names.digest.hex(), rules.rules.digest.hex()} <= set(files_asked(plane))
    assert not any(each.query for each in plane.asked("/v1/nodes/self/files/"))


def assert_refused(plane: Played, pulling: Puller, store: SnapshotStore, reason: str) -> None:
    """Assert that the pull fails for that reason and leaves the snapshot in force."""
    before = store.read_current().manifest if store.current_revision() is not None else None
    with pytest.raises(SnapshotError, match=reason):
        pulling.pull(0)
    assert (store.read_current().manifest if store.current_revision() is not None else None) == before


def test_older_revision_is_refused_also_after_a_restart(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    plane.publish(compiled(7))
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(6))
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "revision 6 refused: this node has already pulled revision 7")


def test_earlier_making_of_a_revision_is_refused_also_after_a_restart(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    old, new = compiled(5, Mode.OFF), compiled(5, made_s=NOW + 3600)
    plane.publish(old)
    pulling = make_puller()
    assert pulling.pull(0) == 5
    plane.publish(new)
    assert pulling.pull(0) == 5
    plane.publish(old)
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "revision 5 refused: this node has already pulled one that was made later")
    plane.publish(compiled(6, Mode.OFF))
    assert pulling.pull(0) == 6


def test_making_time_does_not_move_back_in_small_steps(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    """The clocks of two control planes that take over from each other differ a little."""
    pulling = make_puller()
    for mode, earlier_s in ((Mode.ENFORCE, 0), (Mode.OFF, 40), (Mode.MONITOR, TOLERATED_S)):
        plane.publish(compiled(5, mode, NOW - earlier_s))
        assert pulling.pull(0) == 5
    plane.publish(compiled(5, made_s=NOW - TOLERATED_S - 1))
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "this node has already pulled one that was made later")


def test_making_time_in_the_future_does_not_block_later_snapshots(
    plane: Played, tmp_path: Path, store: SnapshotStore
) -> None:
    with ControlClient(ControlPlane(url=plane.url)) as client:
        identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
        pulling = Puller(client, tmp_path, identity, clock=lambda: NOW)
        plane.publish(compiled(5, made_s=NOW + 3600))
        pulling.pull(0)
        plane.publish(compiled(5, Mode.OFF))
        assert pulling.pull(0) == 5
        assert store.read_current().manifest == plane.manifest
        plane.publish(compiled(5, made_s=NOW - 3600))
        assert_refused(plane, pulling, store, "this node has already pulled one that was made later")


def test_node_that_lost_its_snapshots_accepts_an_earlier_making(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    plane.publish(compiled(5, made_s=NOW + 3600))
    make_puller().pull(0)
    plane.publish(compiled(5))
    assert_refused(plane, make_puller(), store, "this node has already pulled one that was made later")
    assert make_puller().pull(0, afresh=True) == 5


def without_signature(manifest: bytes) -> bytes:
    return json.dumps({**json.loads(manifest), "signature": ""}).encode()


def of_another_making(manifest: bytes) -> bytes:
    return json.dumps({**json.loads(manifest), "made_s": 1}).encode()


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (without_signature, "revision 2 refused: verify revision 2: it has no signature"),
        (of_another_making, "revision 2 refused: verify revision 2: its signature is not valid for"),
        (lambda manifest: manifest[:-20], "it is not JSON"),
    ],
)
def test_snapshot_not_signed_with_the_pinned_key_is_refused(
    plane: Played,
    make_puller: MakePuller,
    store: SnapshotStore,
    alter: Callable[[bytes], bytes],
    reason: str,
) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(2, Mode.OFF))
    plane.script.alter_manifest = alter
    assert_refused(plane, pulling, store, reason)
    assert len(files_asked(plane)) == 3
    plane.script.alter_manifest = bytes
    assert pulling.pull(0) == 2


def test_other_key_is_refused_and_the_pinned_key_is_named(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    pulling, pinned = make_puller(), plane.key
    plane.signing = Ed25519PrivateKey.generate()
    plane.publish(compiled(2))
    assert_refused(plane, pulling, store, f"revision 2 refused: .* is not valid for {pinned[:16]}")


@pytest.mark.parametrize(
    "alter",
    [lambda data: data[:-1] + b"\x7f", lambda data: data[:-1], lambda data: b""],
    ids=["other", "short", "none"],
)
def test_file_that_does_not_match_its_digest_is_refused(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, alter: Callable[[bytes], bytes]
) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(2, Mode.OFF))
    plane.script.alter_file = alter
    assert_refused(
        plane,
        pulling,
        store,
        "revision 2 refused: the [0-9]+ bytes received as file .* do not match its size or its digest",
    )
    plane.script.alter_file = bytes
    assert pulling.pull(0) == 2


def test_a_file_longer_than_its_manifest_says_is_not_read(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    plane.script.alter_file = lambda data: data + b"x"
    with pytest.raises(UnavailableError, match="its answer has more than"):
        make_puller().pull(0)
    assert store.current_revision() is None


def test_a_file_too_large_for_any_node_is_not_asked_for(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "LARGEST_FILE", 10)
    assert_refused(plane, make_puller(), store, "has more than 10 bytes")
    assert files_asked(plane) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "it no longer accepts this node's token; enrol this node again"),
        (403, "it no longer accepts this node's token"),
        (503, "status 503: a test says 503"),
        (302, "status 302"),
    ],
)
def test_error_answer_is_reported(plane: Played, make_puller: MakePuller, status: int, reason: str) -> None:
    plane.script.status = status
    with pytest.raises(UnavailableError, match=reason) as caught:
        make_puller().pull(0)
    assert TOKEN not in str(caught.value)


def test_not_modified_is_an_error_without_a_snapshot(plane: Played, make_puller: MakePuller) -> None:
    plane.script.status = 304
    with pytest.raises(UnavailableError, match="status 304"):
        make_puller().pull(0)


def test_a_chosen_older_revision_stays_until_a_newer_one_comes(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    pulling = make_puller()
    for revision in (1, 2):
        plane.publish(compiled(revision, Mode.OFF if revision == 2 else Mode.ENFORCE))
        pulling.pull(0)
    store.use(1)
    for each in (pulling, make_puller()):
        assert each.pull(0) is None
        assert store.current_revision() == 1
    plane.publish(compiled(3))
    assert make_puller().pull(0) == 3
    assert store.current_revision() == 3


def test_chosen_older_revision_stays_although_the_newest_is_made_again(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    placed: list[int] = []
    for revision in (1, 2):
        plane.publish(compiled(revision, Mode.OFF if revision == 2 else Mode.ENFORCE))
        make_puller().pull(0)
    store.use(1)
    plane.publish(compiled(2, Mode.MONITOR))
    assert make_puller().pull(0, lambda: placed.append(2)) == 2
    assert (store.current_revision(), store.revisions(), placed) == (1, (2, 1), [])
    assert make_puller().pull(0) is None
    store.use(2)
    assert store.read_current().manifest == plane.manifest
    plane.publish(compiled(2, Mode.OFF))
    make_puller().pull(0)
    assert store.read_current().manifest == plane.manifest


def test_files_damaged_by_a_power_cut_are_pulled_again(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, tmp_path: Path
) -> None:
    make_puller().pull(0)
    rules, manifest = (next((tmp_path / "snapshots").glob(name)) for name in ("*.rules", "*.manifest"))
    for spoilt in (rules, manifest, tmp_path / "snapshots" / "current"):
        spoilt.write_bytes(b"")
        assert make_puller().pull(0) == 1
        assert store.read_current().manifest == plane.manifest
        assert store.read_current().damaged == ()


def test_snapshot_pulled_by_an_older_program_gets_its_second_copy(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    make_puller().pull(0)
    shutil.rmtree(store.directory / "copy")
    assert make_puller().pull(0) is None
    next(store.directory.glob("*.names")).write_bytes(b"")
    assert store.read_current().manifest == plane.manifest


def test_lower_revision_of_a_later_epoch_is_followed_and_no_earlier_epoch_ever_again(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    pulling = make_puller()
    for revision in (5, 7, 9):
        plane.publish(compiled(revision))
        pulling.pull(0)
    store.quarantine(7, "workers died of it")
    store.use(5)
    plane.publish(compiled(6, Mode.OFF, epoch=NOW))
    assert pulling.pull(0) == 6
    assert store.read_current().manifest == plane.manifest
    assert (store.revisions(), store.quarantine_reason(7)) == ((6, 5), None)
    for revision in (6, 10):
        plane.publish(compiled(revision))
        for each in (pulling, make_puller()):
            assert_refused(
                plane,
                each,
                store,
                f"revision {revision} refused: it is of the time before a restore .*"
                "type there systemctl stop dnsfilter-api, dnsfilter-api accept",
            )
    plane.publish(compiled(5, epoch=NOW))
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "already pulled revision 6, which is newer; .*dnsfilter-api accept")
    plane.publish(compiled(5, epoch=NOW + 1))
    assert make_puller().pull(0) == 5
    plane.publish(compiled(6, epoch=NOW + 1))
    assert make_puller().pull(0) == 6


def test_second_enrolment_accepts_lower_revisions(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, tmp_path: Path
) -> None:
    """A restored control plane continues from its backup, with the same key or another one."""
    plane.publish(compiled(9))
    make_puller().pull(0)
    plane.token = f"{TOKEN}-of-another-enrolment"
    plane.publish(compiled(3))
    identity = Identity("one", "default", plane.token, plane.key, "i", plane.url)
    with ControlClient(ControlPlane(url=plane.url)) as client:
        assert Puller(client, tmp_path, identity).pull(0) == 3
        assert store.current_revision() == 3
        assert Puller(client, tmp_path, identity).pull(0) is None


@pytest.mark.parametrize(("installation", "left"), [("i", (5, 1)), ("another", (5,))])
def test_snapshots_of_another_enrolment_are_removed_with_their_marks(
    plane: Played,
    make_puller: MakePuller,
    store: SnapshotStore,
    tmp_path: Path,
    installation: str,
    left: tuple[int, ...],
) -> None:
    for revision in (1, 5, 7, 9):
        plane.publish(compiled(revision))
        make_puller().pull(0)
    for revision in (1, 5, 9):
        store.quarantine(revision, "workers died of it")
    store.use(7)
    plane.token = f"{TOKEN}-of-another-enrolment"
    plane.publish(compiled(5, Mode.OFF))
    identity = Identity("one", "default", plane.token, plane.key, installation, plane.url)
    with ControlClient(ControlPlane(url=plane.url)) as client:
        pulling = Puller(client, tmp_path, identity)
        assert pulling.pull(0) == 5
        assert store.read_current().manifest == plane.manifest
        assert store.revisions() == left
        assert [store.quarantine_reason(each) is None for each in left] == [True, False][: len(left)]
        plane.publish(compiled(6))
        assert pulling.pull(0) == 6
        assert store.revisions() == (6, *left)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"enrolment": 1}', "null"])
def test_invalid_note_of_pulled_snapshots_is_replaced(
    plane: Played, make_puller: MakePuller, tmp_path: Path, text: str
) -> None:
    make_puller().pull(0)
    (tmp_path / "pulled.json").write_text(text)
    assert make_puller().pull(0) == 1
    assert make_puller().pull(0) is None


def test_newest_revisions_are_kept_and_older_ones_are_removed(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "KEPT_REVISIONS", 2)
    pulling = make_puller()
    for revision in range(1, 6):
        plane.publish(compiled(revision, Mode.OFF if revision % 2 else Mode.ENFORCE))
        pulling.pull(0)
    assert (store.current_revision(), store.revisions()) == (5, (5, 4, 3))


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that fills the disk, or makes room."""
    write = disk.write_atomically

    def fill(is_full: bool) -> None:
        def refuse(*_arguments: object, **_more: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        for name in ("store", "immutable"):
            target = f"dnsfilter.snapshot.stored.{name}.write_atomically"
            monkeypatch.setattr(target, refuse if is_full else write)

    return fill


def remembering(plane: Played, directory: Path, client: ControlClient, memory: Memory) -> Puller:
    identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
    return Puller(client, directory, identity, clock=lambda: NOW + 7200, memory=memory)


def test_a_snapshot_that_the_disk_does_not_take_is_kept_and_stored_later(
    plane: Played, tmp_path: Path, store: SnapshotStore, memory: Memory, full: Callable[[bool], None]
) -> None:
    with ControlClient(ControlPlane(url=plane.url)) as client:
        pulling = remembering(plane, tmp_path, client, memory)
        pulling.pull(0)
        full(True)
        plane.publish(compiled(2, Mode.OFF))
        placed: list[int] = []
        assert pulling.pull(0, lambda: placed.append(2)) == 2
        assert placed == [2]
        assert memory.unstored is not None
        rules = plane.files[compiled(2, Mode.OFF).rules.digest.hex()]
        before = store.read_current()
        assert plane.manifest is not None
        assert memory.unstored.files == replace(before, revision=2, manifest=plane.manifest, rules=rules)
        assert "No space left on device" in memory.unstored.reason
        assert store.current_revision() == 1
        assert pulling.pull(0) is None
        again = remembering(plane, tmp_path, client, memory)  # as after an error of the network
        full(False)
        assert again.pull(0) is None
        assert memory.unstored is None
        assert store.read_current().manifest == plane.manifest
        assert len(plane.asked("/v1/nodes/self/files/")) == 4


def test_a_snapshot_in_memory_gives_way_to_one_that_is_chosen_on_the_node(
    plane: Played, tmp_path: Path, store: SnapshotStore, memory: Memory, full: Callable[[bool], None]
) -> None:
    with ControlClient(ControlPlane(url=plane.url)) as client:
        pulling = remembering(plane, tmp_path, client, memory)
        pulling.pull(0)
        plane.publish(compiled(2, Mode.OFF))
        pulling.pull(0)
        full(True)
        plane.publish(compiled(3))
        pulling.pull(0)
        assert memory.unstored is not None
        full(False)
        store.use(1)
        assert pulling.pull(0) is None
        assert memory.unstored is None
        assert store.current_revision() == 1
        plane.publish(compiled(4, Mode.OFF))
        assert pulling.pull(0) == 4
        assert store.current_revision() == 4


@pytest.mark.parametrize("earlier", [(), (9,)], ids=["enrolment", "epoch"])
def test_a_first_snapshot_that_the_disk_does_not_take_is_an_error(
    plane: Played, tmp_path: Path, memory: Memory, full: Callable[[bool], None], earlier: tuple[int, ...]
) -> None:
    with ControlClient(ControlPlane(url=plane.url)) as client:
        pulling = remembering(plane, tmp_path, client, memory)
        for revision in earlier:
            plane.publish(compiled(revision))
            pulling.pull(0)
        plane.publish(compiled(3, Mode.OFF, epoch=NOW))
        full(True)
        with pytest.raises(UnavailableError, match="No space left"):
            pulling.pull(0)
        assert memory.unstored is None
        full(False)
        assert pulling.pull(0) == 3
