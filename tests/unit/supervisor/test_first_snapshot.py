"""The first snapshot of a node that starts."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Config
from dnsfilter.control.link import pull_first
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor import first_snapshot
from dnsfilter.supervisor.first_snapshot import load_first
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from tests.support.fake_control_plane import ONE_TIME, Played
from tests.unit.control.conftest import compiled

ConfigFor = Callable[..., Config]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_snapshot, "PATIENCE_S", 0.0)
    monkeypatch.setattr(first_snapshot, "PAUSE_S", 0.01)


@pytest.fixture
def config(plane: Played, config_for: ConfigFor, tmp_path: Path) -> Config:
    (tmp_path / "token").write_text(ONE_TIME)
    return config_for(plane.url, token=tmp_path / "token")


@pytest.fixture
def store(config: Config) -> SnapshotStore:
    return SnapshotStore(config.node_dir / "snapshots")


def loaded(config: Config, store: SnapshotStore, least: int = 0) -> int:
    """Return the revision that a node decides by if it starts now."""
    feed = PolicyFeed(store, "default")
    try:
        load_first(feed, config, partial(pull_first, config, None), least)
        assert feed.snapshot is not None
        return feed.snapshot.revision
    finally:
        feed.close()


def test_complete_local_snapshot_needs_no_control_plane(plane: Played, config: Config, store: SnapshotStore) -> None:
    loaded(config, store)
    plane.spoken.clear()
    assert loaded(config, store) == 1
    assert plane.spoken == []


@pytest.mark.parametrize("spoilt", [("current", "*.names"), ("*.rules",), ("*.manifest",)])
def test_snapshot_is_pulled_if_none_here_is_complete(
    plane: Played, config: Config, store: SnapshotStore, spoilt: tuple[str, ...]
) -> None:
    loaded(config, store)
    for path in (path for name in spoilt for path in store.directory.rglob(name)):
        path.write_bytes(b"")
    assert loaded(config, store) == 1
    assert store.read_current().manifest == plane.manifest


def test_damaged_chosen_revision_is_replaced_by_a_pulled_one(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    loaded(config, store)
    plane.publish(compiled(2, Mode.OFF))
    pull_first(config, None)
    store.use(1)
    for path in store.directory.rglob("1.*.manifest"):
        path.write_bytes(b"")
    assert loaded(config, store) == 2


def test_an_older_revision_than_the_one_in_force_is_refused(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    loaded(config, store)
    plane.publish(compiled(2, Mode.OFF))
    pull_first(config, None)
    for path in store.directory.rglob("2.*.manifest"):
        path.write_bytes(b"")
    assert loaded(config, store) == 1
    with pytest.raises(UnavailableError, match=r"load revision 2, which is in force: the newest complete one .* is 1;"):
        loaded(config, store, least=2)


def test_quarantined_snapshot_is_used_if_there_is_no_other(plane: Played, config: Config, store: SnapshotStore) -> None:
    loaded(config, store)
    store.quarantine(1, "workers died of it")
    plane.script.status = 500
    assert loaded(config, store) == 1
    plane.script.status = None
    plane.publish(compiled(2))
    assert loaded(config, store) == 2, "a pulled snapshot is preferred"


def test_error_without_a_snapshot_names_local_fault_and_pull_fault(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    loaded(config, store)
    for path in store.directory.rglob("*.rules"):
        path.unlink()
    plane.script.status = 500
    with pytest.raises(UnavailableError, match=r"no usable snapshot in .*status 500: .*here: read .*\.rules"):
        loaded(config, store)


def test_start_without_snapshot_is_possible_if_configured(
    config: Config, store: SnapshotStore, plane: Played, caplog: pytest.LogCaptureFixture
) -> None:
    plane.script.status = 500
    assert loaded(replace(config, start_without_snapshot=True), store) == 0
    assert "no usable snapshot" in caplog.text


def test_start_waits_for_this_machines_control_plane(
    plane: Played, config: Config, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_snapshot, "PATIENCE_S", 60.0)
    asked = []

    def pull() -> None:
        asked.append(True)
        if len(asked) < 3:
            raise UnavailableError(f"ask {plane.url}: connection refused")
        pull_first(config, None)

    feed = PolicyFeed(store, "default")
    load_first(feed, config, pull)
    assert feed.snapshot is not None
    assert (feed.snapshot.revision, len(asked)) == (1, 3)
    feed.close()


@pytest.mark.parametrize("spoil", ["token", "snapshot"])
def test_start_does_not_wait_for_a_permanent_fault(
    plane: Played, config: Config, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    monkeypatch.setattr(first_snapshot, "PATIENCE_S", 3600.0)
    if spoil == "token":
        plane.one_time.clear()
    else:
        plane.script.alter_file = lambda data: data[:-1]
    with pytest.raises(UnavailableError, match="no usable snapshot"):
        loaded(config, store)


def published(config: Config, revision: int) -> None:
    """The snapshots that this machine's control plane has published into its state directory."""
    SnapshotStore(config.state_dir / "snapshots").publish(compiled(revision))


def test_node_without_identity_starts_with_published_files_of_this_machine(
    plane: Played, config: Config, store: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    published(config, 3)
    plane.one_time.clear()
    assert loaded(config, store) == 3
    assert "using published files of this machine's control plane" in caplog.text
    plane.one_time.add(ONE_TIME)
    plane.publish(compiled(4))
    pull_first(config, None)
    assert loaded(config, store) == 4, "after enrolment it uses pulled snapshots"


def test_published_files_must_be_signed_with_the_pinned_key(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    loaded(config, store)
    shutil.rmtree(store.directory)
    published(config, 3)
    plane.script.status = 500
    with pytest.raises(UnavailableError, match="no usable snapshot"):
        loaded(config, store)


def test_published_files_must_be_signed_with_the_configured_key(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    published(config, 3)
    plane.script.status = 500
    control = replace(config.control_plane, key=plane.key)
    with pytest.raises(UnavailableError, match="no usable snapshot"):
        loaded(replace(config, control_plane=control), store)
    assert loaded(config, store) == 3


def test_published_files_are_ignored_if_the_control_plane_is_remote(config: Config, store: SnapshotStore) -> None:
    published(config, 3)
    control = replace(config.control_plane, url="https://control.example.invalid")
    with pytest.raises(UnavailableError, match="no usable snapshot"):
        loaded(replace(config, control_plane=control), store)
