"""A database that does not know the snapshots of the state directory stops the start."""

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.archive.restore import RestoreOptions, restore
from api.installation import commands, opening
from api.settings import Settings, parse_settings
from dnsfilter.errors import ConfigError
from dnsfilter.snapshot.manifest import parse_manifest
from tests.unit.api.conftest import START, Plane, make_plane

UNKNOWN = r"does not know revision \d+ in .*snapshots"


def _demand(plane: Plane) -> None:
    opening.demand_known_snapshots(plane.settings, plane.database, plane.publisher)


def _copied(plane: Plane, name: str) -> Path:
    """Copy the current database to another state directory."""
    directory = plane.settings.state_dir.with_name(name)
    directory.mkdir()
    file = "dnsfilter.sqlite3"
    with closing(sqlite3.connect(plane.settings.state_dir / file)) as source:
        source.execute("VACUUM INTO ?", [str(directory / file)])
    for key in ("token-key", "snapshot-key", "checkpoint-key", "admin-token"):
        shutil.copy(plane.settings.state_dir / key, directory)
    return directory


def _is_refused(plane: Plane) -> bool:
    try:
        _demand(plane)
    except ConfigError:
        return True
    return False


def test_a_database_knows_the_snapshots_that_it_published(town: Plane) -> None:
    assert town.publisher.stored_revision() == town.revision()
    assert not _is_refused(town)
    town.publisher.store_in_force()
    assert not _is_refused(town)


def test_an_older_copy_is_refused_until_it_is_accepted(town: Plane) -> None:
    directory = _copied(town, "older")
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    shutil.copytree(town.settings.snapshot_dir, directory / "snapshots")
    plane = make_plane(directory)
    with closing(plane.database):
        with pytest.raises(ConfigError, match=f"{UNKNOWN}.*type: dnsfilter-api accept --state-dir {directory}"):
            _demand(plane)
        commands.accept(plane.settings)
        assert not _is_refused(plane)
        plane.publisher.publish_current()
        assert plane.publisher.stored_revision() == plane.revision() > town.revision()


def test_nodes_follow_an_accepted_copy_also_if_its_snapshots_are_as_old(town: Plane) -> None:
    town.publisher.publish_current()
    before = parse_manifest(town.store.read_current().manifest)
    commands.accept(town.settings)
    town.publisher.publish_current()
    after = parse_manifest(town.store.read_current().manifest)
    assert before.epoch == 0 < after.epoch
    assert after.revision == before.revision + 1


def test_an_empty_policy_never_replaces_a_policy(town: Plane, tmp_path: Path) -> None:
    directory = tmp_path / "empty"
    plane = make_plane(directory)
    commands.note_key(plane.settings, plane.database, commands.token_key(plane.settings))
    shutil.copytree(town.settings.snapshot_dir, directory / "snapshots")
    with pytest.raises(ConfigError, match=UNKNOWN) as caught:
        _demand(plane)
    assert "dnsfilter-api accept" not in str(caught.value)
    with pytest.raises(ConfigError, match="holds no policy"):
        commands.accept(plane.settings)
    plane.database.close()


def test_a_restored_backup_replaces_the_snapshots(town: Plane, tmp_path: Path) -> None:
    backup = town.call("GET", "/v1/backup").content
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    settings: Settings = parse_settings({"state_dir": str(tmp_path / "new")}, {})
    shutil.copytree(town.settings.snapshot_dir, settings.snapshot_dir)
    restore(io.BytesIO(backup), RestoreOptions("d" * 64, START + 60), settings)
    shutil.copy(town.settings.token_path, settings.token_path)
    plane = make_plane(settings.state_dir, url=settings.database)
    with closing(plane.database):
        assert not _is_refused(plane)
        assert plane.publisher.stored_revision() == town.revision()
