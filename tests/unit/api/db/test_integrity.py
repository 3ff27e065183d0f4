"""Damage to the database is found, and no act is recorded then unless damage is accepted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from api.db.integrity import QUICK_ENTRIES, Integrity
from api.db.session import Database
from api.server.metrics.collectors import damage
from tests.unit.api.conftest import Plane, authority, on_both_databases

SITE = "/v1/sites/depot"


def _alter(plane: Plane, seq: int, change: str = "object = 'altered'") -> None:
    """Change an entry without the triggers that keep the audit log append-only."""
    with plane.database.engine.begin() as connection:
        if plane.database.engine.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER audit_update")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(text(f"UPDATE audit SET {change} WHERE seq = :seq"), {"seq": seq})


def _alter_matters(plane: Plane, change: str) -> None:
    """Change the index of the audit log without its triggers."""
    with plane.database.engine.begin() as connection:
        if plane.database.engine.name == "sqlite":
            for verb in ("UPDATE", "DELETE"):
                connection.exec_driver_sql(f"DROP TRIGGER matters_{verb}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(change)


def _status(plane: Plane) -> int:
    return plane.call("PUT", SITE, {"name": "Depot"}).status_code


def _metric(integrity: Integrity) -> float:
    (family,) = damage(integrity)
    return float(family.samples[0].value)


@on_both_databases
@pytest.mark.parametrize("accepted", [False, True])
def test_an_altered_entry_stops_acts_unless_damage_is_accepted(town: Plane, accepted: bool) -> None:
    integrity = Integrity(town.database, accepted=accepted)
    integrity.check_quickly()
    assert (integrity.damage, _metric(integrity), town.call("GET", "/readyz").status_code) == (None, 0, 200)
    _alter(town, 3)
    integrity.check_quickly()
    assert (integrity.damage or "").startswith("entry 3 does not follow entry 2")
    assert _metric(integrity) == 1
    refused = town.call("PUT", SITE, {"name": "Depot"})
    assert refused.status_code == (201 if accepted else 503)
    if not accepted:
        assert "restart dnsfilter-api with --accept-damage" in refused.json()["detail"]
        ready = town.call("GET", "/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, refused.json()["detail"])
        assert town.call("GET", "/v1/authorities").status_code == 200


@on_both_databases
@pytest.mark.parametrize("back", [0, 1], ids=["the newest entry", "its predecessor"])
def test_damage_to_what_the_next_act_builds_on_is_found_by_the_act(
    town: Plane, back: int, caplog: pytest.LogCaptureFixture
) -> None:
    integrity = Integrity(town.database, accepted=False)
    assert _status(town) == 201
    entries = town.call("GET", "/v1/audit?limit=1").json()["items"][0]["seq"]
    _alter(town, entries - back)
    refused = town.call("PUT", "/v1/sites/other", {"name": "Other"})
    assert refused.status_code == 503
    assert f"entry {entries - back} does not follow entry" in refused.json()["detail"]
    assert _metric(integrity) == 1
    assert "no act is accepted" in caplog.text
    assert town.call("GET", "/v1/audit?limit=1").json()["items"][0]["seq"] == entries


def test_an_accepted_damage_is_reported_by_the_act_and_does_not_stop_it(town: Plane) -> None:
    integrity = Integrity(town.database, accepted=True)
    assert _status(town) == 201
    _alter(town, town.call("GET", "/v1/audit?limit=1").json()["items"][0]["seq"])
    assert town.call("PUT", "/v1/sites/other", {"name": "Other"}).status_code == 201
    assert _metric(integrity) == 1


@on_both_databases
@pytest.mark.parametrize(
    ("change", "damage"),
    [
        ("DELETE FROM matters", "entry 4 concerns town, but its rows in the table matters name no authority"),
        (
            "UPDATE matters SET authority = 'zone' WHERE seq = 4",
            "entry 4 concerns town, but its rows in the table matters name zone",
        ),
        (
            "INSERT INTO matters (authority, seq) VALUES ('zone', 4)",
            "entry 4 concerns town, but its rows in the table matters name town, zone",
        ),
        (
            "INSERT INTO matters (authority, seq) VALUES ('zone', 999)",
            "the table matters names entry 999, which the audit log does not have",
        ),
    ],
)
def test_an_index_that_differs_from_the_entries_is_damage(town: Plane, change: str, damage: str) -> None:
    _alter_matters(town, change)
    quick, complete = (Integrity(town.database, accepted=False) for _ in range(2))
    quick.check_quickly()
    complete.check()
    assert (quick.damage, complete.damage) == (damage, damage)
    assert _status(town) == 503


@pytest.mark.parametrize("change", ["after = '{'", "act = CAST(x'ff' AS TEXT)", "time_s = 1 << 62"])
def test_an_entry_that_cannot_be_read_is_damage(town: Plane, change: str) -> None:
    _alter(town, 3, change)
    integrity = Integrity(town.database, accepted=False)
    integrity.check_quickly()
    assert integrity.damage is not None
    assert _status(town) == 503


def test_an_old_entry_is_found_by_the_complete_check(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    assert QUICK_ENTRIES > 2
    monkeypatch.setattr("api.db.integrity.QUICK_ENTRIES", 2)
    monkeypatch.setattr("api.db.integrity.BATCH", 2)
    _alter(town, 1)
    integrity = Integrity(town.database, accepted=False)
    integrity.check_quickly()
    assert (integrity.damage, _status(town)) == (None, 201)
    integrity.start()
    integrity.stop()
    integrity.check()
    assert (integrity.damage or "").startswith("entry 1 does not follow entry 0")
    assert town.call("PUT", "/v1/authorities/third", authority()).status_code == 503


def test_an_old_entry_without_its_authorities_is_found_by_the_complete_check(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.db.integrity.QUICK_ENTRIES", 2)
    monkeypatch.setattr("api.db.integrity.BATCH", 2)
    _alter_matters(town, "DELETE FROM matters WHERE seq = 4")
    integrity = Integrity(town.database, accepted=False)
    integrity.check_quickly()
    assert integrity.damage is None
    integrity.check()
    assert (integrity.damage or "").startswith("entry 4 concerns town, ")


def test_a_damaged_page_is_found(town: Plane) -> None:
    path = Path(str(town.database.engine.url.database))
    town.database.close()
    with closing(sqlite3.connect(path)) as connection:
        size, root = (
            connection.execute(query).fetchone()[0]
            for query in ("PRAGMA page_size", "SELECT rootpage FROM sqlite_master WHERE name = 'matters'")
        )
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 64)
    with closing(Database(f"sqlite:///{path}")) as database:
        integrity = Integrity(database, accepted=False)
        integrity.check_quickly()
    assert integrity.damage is not None
