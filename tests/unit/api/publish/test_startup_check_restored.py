"""A database restored from a backup, with or without the snapshots of the acts that it lacks."""

import io
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from api.archive.restore import RestoreOptions, restore
from api.db.models import PublicationRow
from api.publish.startup_check import reconcile_with_store
from api.settings import parse_settings
from tests.unit.api.conftest import START, Plane, make_plane

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
RESTORED = START + 300
Restore = Callable[..., Plane]


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _trace(plane: Plane, seconds: int) -> tuple[int, str | None, str]:
    """Return the revision, the mode of the winning ban, and the meaning that the answer states."""
    query = {"at": _timestamp(seconds), "client": "192.0.2.1", "name": "alpha1.example.org"}
    trace = plane.done("GET", "/v1/trace", params=query)
    return trace["revision"], trace["ban"] and trace["ban"]["mode"], trace["meaning"]


def _published(plane: Plane) -> list[tuple[int, int, str]]:
    with plane.database.reading() as session:
        rows = session.scalars(select(PublicationRow).order_by(PublicationRow.id))
        return [(row.revision, row.time_s, row.rules) for row in rows]


@pytest.fixture
def restored(town: Plane, tmp_path: Path) -> Iterator[Restore]:
    """Return a starter of control planes on a backup of `town` from START + 50. `lost` modes were set after it."""
    made: list[Plane] = []

    def begin(*lost: str, snapshots: bool) -> Plane:
        town.publisher.store_in_force()
        town.clock.now = START + 50
        backup = town.call("GET", "/v1/backup").content
        for number, mode in enumerate(lost):
            town.clock.now = START + 100 + number
            town.done("PATCH", BAN, {"mode": mode})
        settings = parse_settings({"state_dir": str(tmp_path / "new")}, {})
        if snapshots:
            shutil.copytree(town.settings.snapshot_dir, settings.snapshot_dir)
        restore(io.BytesIO(backup), RestoreOptions("d" * 64, RESTORED), settings)
        settings.token_path.write_text(town.token)
        plane = make_plane(settings.state_dir, url=settings.database)
        made.append(plane)
        plane.clock.now = RESTORED + 10
        _start(plane)
        return plane

    yield begin
    for plane in made:
        plane.database.close()


def _start(plane: Plane) -> None:
    now_s = int(plane.clock.now)
    reconcile_with_store(plane.database, plane.publisher, now_s)
    plane.publisher.publish_current()
    plane.publisher.store_in_force()


@pytest.mark.parametrize(
    ("lost", "above"), [((), 0), (("monitor",), 1), (("monitor", "enforce"), 1), (("off",) * 3, 1)]
)
def test_revision_identifies_only_one_policy(town: Plane, restored: Restore, lost: tuple[str, ...], above: int) -> None:
    last = town.revision()
    town.publisher.store_in_force()
    before = _published(town)
    plane = restored(*lost, snapshots=True)
    highest = max(last + 1, town.revision())
    assert plane.revision() == highest + above
    after = _published(plane)
    assert after[: len(before)] == before
    assert [(number, at) for number, at, _ in after[len(before) :]] == [(highest + above, RESTORED + 10)]


@pytest.mark.parametrize("lost", [("monitor",), ("monitor", "enforce")])
@pytest.mark.parametrize("snapshots", [False, True])
def test_trace_of_lost_revisions_says_so(
    town: Plane, restored: Restore, lost: tuple[str, ...], snapshots: bool
) -> None:
    last = town.revision()
    plane = restored(*lost, snapshots=snapshots)
    revision, mode, meaning = _trace(plane, 150)
    assert (revision, mode) == (last, "enforce")
    expected = "later revisions were lost" if snapshots else f"a backup of {_timestamp(50)} was restored"
    assert expected in meaning
    # It does not say so of the policy in force since, or of a revision that another one had already followed.
    plane.clock.now = RESTORED + 100
    plane.done("PATCH", BAN, {"mode": "off"})
    assert [_trace(plane, seconds)[1] for seconds in (320, 400)] == ["enforce", None]
    assert all("lost" not in _trace(plane, seconds)[2] for seconds in (320, 400))


def test_stored_snapshot_of_another_policy_is_not_recorded(town: Plane) -> None:
    """The database has the revision, but with another policy."""
    last = town.revision()
    town.publisher.store_in_force()
    with town.database.writing() as session:
        session.execute(text("DELETE FROM publications WHERE revision = :last"), {"last": last})
        session.execute(text("UPDATE versions SET body = replace(body, 'enforce', 'off') WHERE kind = 'ban'"))
    assert town.publisher.stored_is_foreign()
    town.publisher.note_stored()
    town.publisher.store_in_force()
    assert last not in [number for number, _, _ in _published(town)]


def test_start_on_own_snapshots_does_not_raise_the_revision(town: Plane) -> None:
    """Neither with the last publication recorded, nor if a kill prevented its record."""
    before = town.revision()
    town.clock.now += 500
    _start(town)
    with town.database.writing() as session:
        session.execute(text("DELETE FROM publications WHERE revision = :last"), {"last": before})
    town.clock.now += 500
    assert not town.publisher.stored_is_foreign()
    _start(town)
    assert town.revision() == before
