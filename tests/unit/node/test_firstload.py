"""What a node that starts decides by."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dnsfilter.config.model import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.node.control import pull_first
from dnsfilter.node.firstload import load_first
from dnsfilter.node.policyfeed import PolicyFeed
from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.store import SnapshotStore
from tests.support.played import ONE_TIME, Played
from tests.unit.node.conftest import compiled

ConfigFor = Callable[..., Config]


@pytest.fixture
def config(plane: Played, config_for: ConfigFor, tmp_path: Path) -> Config:
    (tmp_path / "token").write_text(ONE_TIME)
    return config_for(plane.url, token=tmp_path / "token")


@pytest.fixture
def store(config: Config) -> SnapshotStore:
    return SnapshotStore(config.node_dir / "snapshots")


def loaded(config: Config, store: SnapshotStore, least: int = 0) -> int:
    """The revision that a node which starts now decides by."""
    feed = PolicyFeed(store, "default")
    try:
        load_first(feed, config, partial(pull_first, config, None), least)
        assert feed.snapshot is not None
        return feed.snapshot.revision
    finally:
        feed.close()


def test_what_is_whole_here_needs_nobody(plane: Played, config: Config, store: SnapshotStore) -> None:
    loaded(config, store)
    plane.spoken.clear()
    assert loaded(config, store) == 1
    assert plane.spoken == []


@pytest.mark.parametrize("spoilt", [("current", "*.names"), ("*.rules",), ("*.manifest",)])
def test_where_nothing_here_is_whole_it_is_pulled(
    plane: Played, config: Config, store: SnapshotStore, spoilt: tuple[str, ...]
) -> None:
    loaded(config, store)
    for path in (path for name in spoilt for path in store.directory.rglob(name)):
        path.write_bytes(b"")
    assert loaded(config, store) == 1
    assert store.read_current().manifest == plane.manifest


def test_a_chosen_revision_that_is_spoilt_gives_way_to_what_is_pulled(
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


def test_what_is_quarantined_is_better_than_nothing(plane: Played, config: Config, store: SnapshotStore) -> None:
    loaded(config, store)
    store.quarantine(1, "workers died of it")
    plane.script.status = 500
    assert loaded(config, store) == 1
    plane.script.status = None
    plane.publish(compiled(2))
    assert loaded(config, store) == 2, "but not better than what can be pulled"


def test_without_anything_to_decide_by_it_is_said_what_is_here_and_what_pulling_met(
    plane: Played, config: Config, store: SnapshotStore
) -> None:
    loaded(config, store)
    for path in store.directory.rglob("*.rules"):
        path.unlink()
    plane.script.status = 500
    with pytest.raises(UnavailableError, match=r"no snapshot to decide by in .*status 500: .*here: read .*\.rules"):
        loaded(config, store)


def test_told_to_start_without_a_snapshot_it_does(
    config: Config, store: SnapshotStore, plane: Played, caplog: pytest.LogCaptureFixture
) -> None:
    plane.script.status = 500
    assert loaded(replace(config, start_without_snapshot=True), store) == 0
    assert "no snapshot to decide by" in caplog.text
