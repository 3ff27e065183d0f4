"""Snapshots from the control plane, and what is refused of them."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control import puller
from dnsfilter.control.http_client import ControlClient
from dnsfilter.control.identity import Identity
from dnsfilter.control.puller import Puller
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.policies import NOW
from tests.unit.control.conftest import compiled

MakePuller = Callable[[], Puller]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def make_puller(plane: Played, tmp_path: Path) -> Iterator[MakePuller]:
    """Pullers into that store, as a node has one after each start."""
    with ControlClient(ControlPlane(url=plane.url)) as client:
        identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
        yield lambda: Puller(client, tmp_path, identity, clock=lambda: NOW + 7200)


def files_asked(plane: Played) -> list[str]:
    return [each.path.rpartition("/")[2] for each in plane.asked("/v1/nodes/self/files/")]


def test_the_first_snapshot_comes_with_all_its_files(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    made = compiled(1)
    assert make_puller().pull(0) == 1
    assert store.read_current().manifest == plane.manifest
    assert files_asked(plane) == [file.digest.hex() for file in (made.names, made.ranges, made.rules)]
    assert "if-none-match" not in plane.asked("/v1/nodes/self/snapshot")[0].headers


def test_whoever_waits_for_it_is_told_once_it_is_current(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    told: list[int | None] = []
    pulling = make_puller()
    pulling.pull(0, lambda: told.append(store.current_revision()))
    pulling.pull(0, lambda: told.append(store.current_revision()))
    plane.script.alter_file = lambda data: b""
    plane.publish(compiled(2, Mode.OFF))
    assert_refused(plane, pulling, store, "revision 2 refused")
    assert told == [1]


def test_a_toggle_fetches_rules_alone(plane: Played, make_puller: MakePuller, store: SnapshotStore) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(2, Mode.OFF))
    assert pulling.pull(0) == 2
    assert store.current_revision() == 2
    assert files_asked(plane)[3:] == [compiled(2, Mode.OFF).rules.digest.hex()]


def test_what_is_here_is_not_asked_for_again_after_a_start_either(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    make_puller().pull(0)
    assert make_puller().pull(0) is None
    assert plane.asked("/v1/nodes/self/snapshot")[-1].headers["if-none-match"] == f'"{plane.tag}"'


def test_a_control_plane_is_asked_to_wait(plane: Played, make_puller: MakePuller) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.script.waits = False
    pulling.pull(25)
    assert plane.asked("/v1/nodes/self/snapshot")[-1].query == {"wait": ["25"]}


def test_a_revision_made_anew_is_taken(plane: Played, make_puller: MakePuller, store: SnapshotStore) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(1, Mode.OFF))
    assert pulling.pull(0) == 1
    assert store.read_current().manifest == plane.manifest


def assert_refused(plane: Played, pulling: Puller, store: SnapshotStore, reason: str) -> None:
    """Assert that the pull fails for that reason and leaves the snapshot in force."""
    before = store.read_current().manifest if store.current_revision() is not None else None
    with pytest.raises(SnapshotError, match=reason):
        pulling.pull(0)
    assert (store.read_current().manifest if store.current_revision() is not None else None) == before


def test_an_older_revision_is_refused_as_a_replay_after_a_start_too(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    plane.publish(compiled(7))
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(6))
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "revision 6 refused: revision 7 was pulled before")


def test_an_earlier_making_of_a_revision_is_refused_as_a_replay_after_a_start_too(
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
        assert_refused(plane, each, store, "revision 5 refused: one made later was pulled before")
    plane.publish(compiled(6, Mode.OFF))
    assert pulling.pull(0) == 6


def test_a_revision_is_not_taken_back_in_small_steps(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    """Two control planes that take over from each other have clocks that differ a little."""
    pulling = make_puller()
    for mode, earlier_s in ((Mode.ENFORCE, 0), (Mode.OFF, 40), (Mode.MONITOR, TOLERATED_S)):
        plane.publish(compiled(5, mode, NOW - earlier_s))
        assert pulling.pull(0) == 5
    plane.publish(compiled(5, made_s=NOW - TOLERATED_S - 1))
    for each in (pulling, make_puller()):
        assert_refused(plane, each, store, "one made later was pulled before")


def test_a_making_by_a_clock_that_was_ahead_binds_nobody(plane: Played, tmp_path: Path, store: SnapshotStore) -> None:
    with ControlClient(ControlPlane(url=plane.url)) as client:
        identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
        pulling = Puller(client, tmp_path, identity, clock=lambda: NOW)
        plane.publish(compiled(5, made_s=NOW + 3600))
        pulling.pull(0)
        plane.publish(compiled(5, Mode.OFF))
        assert pulling.pull(0) == 5
        assert store.read_current().manifest == plane.manifest
        plane.publish(compiled(5, made_s=NOW - 3600))
        assert_refused(plane, pulling, store, "one made later was pulled before")


def test_a_node_that_has_lost_everything_takes_what_there_is(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    plane.publish(compiled(5, made_s=NOW + 3600))
    make_puller().pull(0)
    plane.publish(compiled(5))
    assert_refused(plane, make_puller(), store, "one made later was pulled before")
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
def test_what_is_not_signed_under_the_pinned_key_is_refused(
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


def test_another_key_is_refused_and_the_pinned_one_named(
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
def test_octets_that_are_not_their_digest_s_are_refused(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, alter: Callable[[bytes], bytes]
) -> None:
    pulling = make_puller()
    pulling.pull(0)
    plane.publish(compiled(2, Mode.OFF))
    plane.script.alter_file = alter
    assert_refused(
        plane, pulling, store, "revision 2 refused: the [0-9]+ octets that came as file .* are not those of its digest"
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
    assert_refused(plane, make_puller(), store, "has more than 10 octets")
    assert files_asked(plane) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "takes this node's token no longer; enrol it again"),
        (403, "takes this node's token no longer"),
        (503, "status 503: a test says 503"),
        (302, "status 302"),
    ],
)
def test_an_answer_that_is_no_snapshot_is_said(
    plane: Played, make_puller: MakePuller, status: int, reason: str
) -> None:
    plane.script.status = status
    with pytest.raises(UnavailableError, match=reason) as caught:
        make_puller().pull(0)
    assert TOKEN not in str(caught.value)


def test_not_modified_is_no_answer_to_who_has_nothing(plane: Played, make_puller: MakePuller) -> None:
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


def test_a_chosen_older_revision_stays_although_the_newest_is_made_anew(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    told: list[int] = []
    for revision in (1, 2):
        plane.publish(compiled(revision, Mode.OFF if revision == 2 else Mode.ENFORCE))
        make_puller().pull(0)
    store.use(1)
    plane.publish(compiled(2, Mode.MONITOR))
    assert make_puller().pull(0, lambda: told.append(2)) == 2
    assert (store.current_revision(), store.revisions(), told) == (1, (2, 1), [])
    assert make_puller().pull(0) is None
    store.use(2)
    assert store.read_current().manifest == plane.manifest
    plane.publish(compiled(2, Mode.OFF))
    make_puller().pull(0)
    assert store.read_current().manifest == plane.manifest


def test_what_a_power_cut_spoilt_is_had_again(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, tmp_path: Path
) -> None:
    make_puller().pull(0)
    rules, manifest = (next((tmp_path / "snapshots").glob(name)) for name in ("*.rules", "*.manifest"))
    for spoilt in (rules, manifest, tmp_path / "snapshots" / "current"):
        spoilt.write_bytes(b"")
        assert make_puller().pull(0) == 1
        assert store.read_current().manifest == plane.manifest
        assert store.read_current().damaged == ()


def test_what_an_older_program_pulled_gets_its_second_copy(
    plane: Played, make_puller: MakePuller, store: SnapshotStore
) -> None:
    make_puller().pull(0)
    shutil.rmtree(store.directory / "copy")
    assert make_puller().pull(0) is None
    next(store.directory.glob("*.names")).write_bytes(b"")
    assert store.read_current().manifest == plane.manifest


def test_after_another_enrolment_what_was_pulled_before_binds_nobody(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, tmp_path: Path
) -> None:
    """A control plane that was restored begins again where its backup ended, with another key or the same."""
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
def test_what_has_other_numbers_since_an_enrolment_is_gone_with_its_marks(
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
def test_a_note_of_what_was_pulled_that_cannot_be_read_is_made_anew(
    plane: Played, make_puller: MakePuller, tmp_path: Path, text: str
) -> None:
    make_puller().pull(0)
    (tmp_path / "pulled.json").write_text(text)
    assert make_puller().pull(0) == 1
    assert make_puller().pull(0) is None


def test_the_newest_revisions_are_kept_and_older_ones_go(
    plane: Played, make_puller: MakePuller, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "KEPT_REVISIONS", 2)
    pulling = make_puller()
    for revision in range(1, 6):
        plane.publish(compiled(revision, Mode.OFF if revision % 2 else Mode.ENFORCE))
        pulling.pull(0)
    assert (store.current_revision(), store.revisions()) == (5, (5, 4, 3))
