"""Local acts on a node: their effects, their journal entries, and refused ones."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dnsfilter.config.load import default_config
from dnsfilter.config.node_config import Config, ControlPlane
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.local import local_node, node_access
from dnsfilter.local.journal import JOURNAL_NAME, Act, Entry, Journal
from dnsfilter.local.local_node import LocalNode
from dnsfilter.local.local_suspensions import FILE_NAME
from dnsfilter.policy.model import Instant, Mode, Suspension
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.policies import NOW, ban, network, policy, service

CLOCK: Instant = NOW + 500


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setattr("dnsfilter.engine.clock.time.time", lambda: float(CLOCK))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    state = tmp_path / "state"
    state.mkdir()
    return replace(default_config(), state_dir=state)


def filled(directory: Path) -> SnapshotStore:
    """A store with three revisions, of which the last is current."""
    made = SnapshotStore(directory)
    ranges = (network("192.0.2.0/24", "ghent"), network("198.51.100.0/24", "mechelen"))
    for revision, mode in ((1, Mode.OFF), (2, Mode.MONITOR), (3, Mode.ENFORCE)):
        held = policy(*ranges, service("video", ["example.org"]), ban(1, "ghent", "video", mode), revision=revision)
        made.publish(compile_policy(held, NOW))
    return made


@pytest.fixture
def store(config: Config) -> SnapshotStore:
    return filled(config.state_dir / "snapshots")


@pytest.fixture
def node(config: Config, store: SnapshotStore) -> LocalNode:
    return LocalNode(config, store, by_policy_file=False)


def journal(config: Config) -> tuple[Entry, ...]:
    return Journal(config.node_dir / JOURNAL_NAME).entries()


def test_suspension_holds_from_now_and_is_journaled(node: LocalNode, config: Config) -> None:
    given = node.suspend("ghent", "30m", "payroll is down")
    assert (given.authority, given.start, given.end) == ("ghent", CLOCK, CLOCK + 1800)
    assert node.suspensions() == (given,)
    assert journal(config) == (
        Entry(1, CLOCK, os.getuid(), Act.SUSPEND, "ghent", CLOCK + 1800, None, "payroll is down"),
    )


def test_new_suspension_of_the_same_authority_replaces_the_old_one(node: LocalNode) -> None:
    node.suspend("ghent", "30m", "first")
    every = node.suspend(None, "1h", "second")
    again = node.suspend("ghent", "4h", "third")
    assert node.suspensions() == (every, again)


def test_ending_one_suspension_leaves_the_others(node: LocalNode, config: Config) -> None:
    node.suspend("ghent", "30m", "first")
    every = node.suspend(None, "1h", "second")
    node.end_suspension("ghent", "")
    assert node.suspensions() == (every,)
    last = journal(config)[-1]
    assert (last.number, last.act, last.authority) == (3, Act.END_SUSPENSION, "ghent")
    node.end_suspension(None, "done")
    assert node.suspensions() == ()


def test_ending_a_published_suspension_is_refused_with_its_revision(node: LocalNode, store: SnapshotStore) -> None:
    held = replace(
        policy(network("192.0.2.0/24", "ghent"), revision=4), suspensions=(Suspension("ghent", NOW, CLOCK + 60),)
    )
    store.publish(compile_policy(held, NOW))
    assert [(each.revision, each.suspension.authority) for each in node.published()] == [(4, "ghent")]
    with pytest.raises(
        UnavailableError,
        match="no suspension of ghent was made on this node; revision 4 has one, which only a later revision ends",
    ):
        node.end_suspension("ghent", "")
    with pytest.raises(UnavailableError, match=r"no suspension of mechelen was made on this node$"):
        node.end_suspension("mechelen", "")


def test_error_of_ending_lists_local_suspensions(node: LocalNode, config: Config) -> None:
    node.suspend("ghent", "30m", "first")
    with pytest.raises(UnavailableError, match=r"no suspension of all was made on this node; suspended here: ghent"):
        node.end_suspension(None, "")
    assert len(journal(config)) == 1


@pytest.mark.parametrize(
    ("authority", "duration", "reason", "said"),
    [
        ("gent", "30m", "why", r"'gent'; choose one of: ghent, mechelen"),
        ("ghent", "4h1s", "why", r"longer than 4 hours"),
        ("ghent", "0m", "why", r"is not a duration"),
        ("ghent", "soon", "why", r"'soon' is not a duration"),
        ("ghent", "30m", " ", r"give a reason"),
        ("ghent", "30m", "x" * 501, r"at most 500"),
        ("ghent", "30m", "two\nlines", r"one line"),
        ("ghent", "30m", "\x1b[31mred", r"one line"),
    ],
)
def test_wrong_input_is_reported_and_changes_nothing(
    node: LocalNode, config: Config, authority: str, duration: str, reason: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        node.suspend(authority, duration, reason)
    assert not config.node_dir.exists()


def test_number_of_suspensions_is_limited(node: LocalNode, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_node, "MAX_GIVEN", 1)
    node.suspend("ghent", "30m", "why")
    with pytest.raises(UnavailableError, match="suspend all"):
        node.suspend("mechelen", "30m", "why")
    assert len(journal(config)) == 1
    node.suspend("ghent", "1h", "longer")


@pytest.mark.skipif(os.getuid() != 0, reason="only root is called by sudo")
@pytest.mark.parametrize(("said", "uid"), [("1000", 1000), ("", 0), ("root", 0), ("-1", 0)])
def test_journal_has_the_user_who_called_sudo(
    config: Config, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, said: str, uid: int
) -> None:
    monkeypatch.setenv("SUDO_UID", said)
    LocalNode(config, store, by_policy_file=False).suspend("ghent", "30m", "why")
    assert journal(config)[0].uid == uid


def test_error_names_some_of_many_authorities(node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_access, "_MOST_NAMED", 1)
    with pytest.raises(ConfigError, match="choose one of: ghent, and 1 more"):
        node.suspend("gent", "30m", "why")


def test_only_all_can_be_suspended_without_a_snapshot(config: Config, tmp_path: Path) -> None:
    node = LocalNode(config, SnapshotStore(tmp_path / "nothing"), by_policy_file=False)
    with pytest.raises(UnavailableError, match="leave out AUTHORITY to suspend all"):
        node.suspend("ghent", "30m", "why")
    assert node.suspend(None, "30m", "why").end == CLOCK + 1800


def test_wall_clock_earlier_than_the_snapshot_is_corrected(
    node: LocalNode, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnsfilter.engine.clock.time.time", lambda: 7.0)
    given = node.suspend("ghent", "30m", "why")
    assert (given.start, given.end) == (NOW, NOW + 1800)
    assert journal(config)[0].time == NOW


def test_act_that_cannot_be_journaled_is_not_done(node: LocalNode, config: Config, store: SnapshotStore) -> None:
    config.node_dir.mkdir(mode=0o700)
    (config.node_dir / JOURNAL_NAME).mkdir()
    for act in (lambda: node.suspend("ghent", "30m", "why"), lambda: node.use_revision(2, "why")):
        with pytest.raises(UnavailableError, match="journal"):
            act()
    assert not (config.node_dir / FILE_NAME).exists()
    assert store.current_revision() == 3


def test_acts_on_a_node_that_never_ran_fail(tmp_path: Path, store: SnapshotStore) -> None:
    config = replace(default_config(), state_dir=tmp_path / "nowhere")
    with pytest.raises(UnavailableError, match="it does not exist: start the node first"):
        LocalNode(config, store, by_policy_file=False).suspend(None, "30m", "why")


def test_node_of_another_user_is_refused(node: LocalNode, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = config.state_dir.stat().st_uid
    monkeypatch.setattr("dnsfilter.local.node_access.os.geteuid", lambda: owner + 4242)
    with pytest.raises(UnavailableError, match=f"only root and user {owner}"):
        node.suspend("ghent", "30m", "why")
    with pytest.raises(UnavailableError, match=f"only root and user {owner}"):
        node.drain(10)
    with pytest.raises(UnavailableError, match=f"belongs to user {owner}: run this as root"):
        node.use_revision(2, "why")
    assert not config.node_dir.exists()


def test_files_of_a_node_are_readable_by_its_user_alone(node: LocalNode, config: Config) -> None:
    node.suspend("ghent", "30m", "why")
    assert config.node_dir.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in config.node_dir.iterdir()} == {0o600}


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that any user may enter, unlike the directories of a test."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")
@pytest.mark.parametrize("made", [True, False])
def test_files_written_by_root_belong_to_the_nodes_user(config: Config, shared: Path, made: bool) -> None:
    config, store = replace(config, state_dir=shared), filled(shared / "snapshots")
    os.chown(shared, 65_534, 65_534)
    if made:
        config.node_dir.mkdir(mode=0o700)
        os.chown(config.node_dir, 65_534, 65_534)
    node = LocalNode(config, store, by_policy_file=False)
    given = node.suspend("ghent", "30m", "why")
    kept = [config.node_dir, *config.node_dir.iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in kept} == {(65_534, 65_534)}
    assert journal(config)[0].uid == 0
    assert node.suspensions() == (given,)
    assert os.geteuid() == 0


@pytest.fixture
def hostile(config: Config, shared: Path) -> LocalNode:
    """A node whose user owns the state directory and attacks root."""
    (shared / "elsewhere").mkdir(mode=0o755)
    state = shared / "state"
    store = filled(state / "snapshots")
    for path in (state, store.directory, *store.directory.iterdir()):
        os.chown(path, 65_534, 65_534)
    return LocalNode(replace(config, state_dir=state), store, by_policy_file=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")
@pytest.mark.parametrize("owner", [0, 1])
def test_root_follows_no_link_of_the_nodes_user(hostile: LocalNode, shared: Path, owner: int) -> None:
    os.chown(shared / "elsewhere", owner, owner)
    (shared / "state" / "node").symlink_to(shared / "elsewhere")
    with pytest.raises(UnavailableError, match="node is not a directory"):
        hostile.suspend("ghent", "30m", "why")
    with pytest.raises(UnavailableError, match="node is not a directory"):
        hostile.suspensions()
    assert list((shared / "elsewhere").iterdir()) == []
    snapshots = shared / "state" / "snapshots"
    snapshots.rename(shared / "elsewhere" / "snapshots")
    snapshots.symlink_to(shared / "elsewhere" / "snapshots")
    (shared / "state" / "node").unlink()
    with pytest.raises(UnavailableError, match="snapshots is not a directory"):
        hostile.use_revision(2, "why")
    assert "held" not in os.listdir(shared / "elsewhere" / "snapshots")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")
@pytest.mark.parametrize(
    ("state_uid", "mode", "node_uid", "refused"),
    [
        (65_534, 0o755, 65_534, ""),
        (65_534, 0o755, 0, "belongs to root, in a directory that others may write to"),
        (65_534, 0o755, 1, "belongs to user 1:"),
        (0, 0o1775, 0, ""),
        (0, 0o775, 0, "belongs to root, in a directory that others may write to"),
        (0, 0o1775, 65_534, "belongs to user 65534: set the key user"),
        (0, 0o755, 65_534, ""),
    ],
)
def test_root_acts_only_as_a_trusted_owner(
    hostile: LocalNode, shared: Path, state_uid: int, mode: int, node_uid: int, refused: str
) -> None:
    state = shared / "state"
    state.chmod(mode)
    os.chown(state, state_uid, state_uid)
    (state / "node").mkdir(mode=0o700)
    os.chown(state / "node", node_uid, node_uid)
    state.chmod(mode)
    if refused:
        with pytest.raises(UnavailableError, match=refused):
            hostile.suspend(None, "30m", "why")
        assert list((state / "node").iterdir()) == []
    else:
        hostile.suspend(None, "30m", "why")
        assert {path.stat().st_uid for path in (state / "node").iterdir()} == {node_uid}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read what others may not")
def test_root_reads_only_files_that_the_nodes_user_may_read(hostile: LocalNode, shared: Path) -> None:
    (shared / "secret").write_text("a secret")
    (shared / "secret").chmod(0o600)
    (shared / "state" / "snapshots" / "2.quarantined").hardlink_to(shared / "secret")
    assert [each.quarantined for each in hostile.snapshots()] == [None, "", None]


def test_snapshots_of_a_node_are_listed(node: LocalNode, store: SnapshotStore, config: Config) -> None:
    store.use(2)
    store.quarantine(3, "workers died of it")
    newest, current, oldest = node.snapshots()
    assert (newest.revision, newest.in_use, newest.quarantined) == (3, False, "workers died of it")
    assert (current.revision, current.in_use, current.quarantined, current.made_s) == (2, True, None, NOW)
    assert (
        current.size
        == sum(path.stat().st_size for path in store.directory.iterdir() if path.suffix in (".names", ".ranges"))
        + store.manifest(2).rules.size
    )
    assert not oldest.signed
    next(store.directory.glob("1.*.manifest")).write_bytes(b"spoiled")
    assert "does not match its digest" in node.snapshots()[2].trouble


@pytest.mark.parametrize(
    ("url", "by_policy_file", "until"),
    [
        (None, False, "a newer revision is published"),
        ("https://api.example.org", False, "a higher revision is pulled"),
        (None, True, "the policy file is read again"),
    ],
)
def test_an_older_revision_is_used_until_it_is_superseded(
    config: Config, store: SnapshotStore, url: str | None, by_policy_file: bool, until: str
) -> None:
    config = replace(config, control_plane=ControlPlane(url))
    node = LocalNode(config, store, by_policy_file=by_policy_file)
    assert until in node.use_revision(2, "the newest has no end")
    assert store.current_revision() == 2
    assert journal(config) == (Entry(1, CLOCK, os.getuid(), Act.USE_REVISION, None, None, 2, "the newest has no end"),)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")
def test_root_changes_a_store_of_another_user_who_keeps_it(config: Config, shared: Path) -> None:
    config = replace(config, state_dir=shared)
    store = filled(shared / "snapshots")
    for path in (store.directory, *store.directory.iterdir()):
        os.chown(path, 65_534, 65_534)
    LocalNode(config, store, by_policy_file=False).use_revision(2, "why")
    assert {path.stat().st_uid for path in store.directory.iterdir()} == {65_534}
    assert store.current_revision() == 2
    assert {path.stat().st_uid for path in config.node_dir.iterdir()} == {0}


def test_snapshot_listed_as_in_use_is_the_one_that_decides(
    node: LocalNode, store: SnapshotStore, config: Config
) -> None:
    name = f"{store.manifest(3).rules.digest.hex()}.rules"
    (store.directory / name).write_bytes(b"spoilt")
    assert next((each.in_use, each.complete, each.copy_in_use) for each in node.snapshots()) == (True, False, True)
    (store.directory / "copy" / name).unlink()
    assert [(each.revision, each.complete, each.in_use) for each in node.snapshots()] == [
        (3, False, False),
        (2, True, True),
        (1, True, False),
    ]
    with pytest.raises(UnavailableError, match=r"use revision 3: read .*\.rules: 6 bytes instead of"):
        node.use_revision(3, "why")
    assert "is in use on this node until" in node.use_revision(2, "why")
    assert store.current_revision() == 2
    assert len(journal(config)) == 1


def test_the_revision_in_use_is_not_chosen_again(node: LocalNode, config: Config) -> None:
    assert "already" in node.use_revision(3, "why")
    assert journal(config) == ()


def test_a_revision_that_cannot_be_used_is_refused_with_the_reason(
    node: LocalNode, store: SnapshotStore, config: Config
) -> None:
    store.quarantine(2, "workers died of it")
    rules = store.manifest(1).rules.digest.hex()
    (store.directory / f"{rules}.rules").write_bytes(b"spoiled")
    for revision, said in (
        (2, "quarantined: workers died of it; to try it again: dnsfilter snapshot unquarantine 2"),
        (1, "bytes instead of"),
    ):
        with pytest.raises(UnavailableError, match=said):
            node.use_revision(revision, "why")
    with pytest.raises(ConfigError, match="revision 9 is not on this node; choose one of: 3, 2, 1"):
        node.use_revision(9, "why")
    with pytest.raises(ConfigError, match="give a reason"):
        node.use_revision(2, "")
    assert store.current_revision() == 3
    assert journal(config) == ()


def test_a_quarantined_revision_can_be_used_again(node: LocalNode, store: SnapshotStore, config: Config) -> None:
    for revision in (2, 3):
        store.quarantine(revision, "workers died of it")
    assert "the node uses it within seconds" in node.unquarantine(3, "a faulty disk was replaced")
    assert store.read_current().revision == 3
    assert "dnsfilter snapshot use 2" in node.unquarantine(2, "the same")
    assert "is not quarantined" in node.unquarantine(2, "once more")
    local_node = [(each.act, each.revision, each.reason) for each in journal(config)]
    assert local_node == [(Act.UNQUARANTINE, 3, "a faulty disk was replaced"), (Act.UNQUARANTINE, 2, "the same")]
    for revision, reason, said in ((9, "why", "revision 9 is not on this node"), (2, "", "give a reason")):
        with pytest.raises(ConfigError, match=said):
            node.unquarantine(revision, reason)
