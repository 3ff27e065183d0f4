"""Exporting the audit log: complete, in bounded memory, verifiable without the database; edits are detected."""

import json
import logging
from collections.abc import Sequence

import pytest
from sqlalchemy import event, text

from api.audit.export import PART, export
from api.chain.checkpoint import Checkpoint, parse_checkpoint
from api.chain.entry_hash import canonical, entry_hash
from api.chain.verification import verify
from api.db.models import AuditRow
from api.db.unit_of_work import LOCAL, UnitOfWork, entry_of
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.unit.api.conftest import Plane, on_both_databases

pytestmark = pytest.mark.heavy

HEADINGS = ("audit_UPDATE", "audit_DELETE", "audit_INSERT")


def _exported(plane: Plane, after: int = 0) -> list[bytes]:
    response = plane.call("GET", f"/v1/audit/export?after={after}")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/jsonl")
    return response.content.splitlines(keepends=True)


def _noted(plane: Plane, count: int) -> None:
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, 1_790_000_000)
        for number in range(count):
            unit.note("example", f"thing/{number}", None, {"reason": "é ☂ 𝒳"}, "town")


def _edited(plane: Plane, *statements: str, **values: object) -> None:
    """Execute statements without the triggers, as anybody with the database file can."""
    with plane.database.engine.begin() as connection:
        for name in HEADINGS:
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
        for statement in statements:
            connection.execute(text(statement), values)


def _held(plane: Plane) -> Checkpoint:
    response = plane.call("POST", "/v1/audit/checkpoints")
    fields = {name: value for name, value in response.json().items() if name != "delivered"}
    return parse_checkpoint(json.dumps(fields, separators=(",", ":")).encode())


@on_both_databases
def test_export_verifies_and_ends_with_the_newest_act(town: Plane) -> None:
    lines = _exported(town)
    report = verify(lines)
    assert report.sound
    newest = town.done("GET", "/v1/audit?limit=1")["items"][0]
    assert (report.chain.seq, report.chain.hash) == (newest["seq"], newest["hash"])
    assert json.loads(lines[-1]) == newest


@on_both_databases
def test_act_names_its_token_and_a_local_act_names_none(town: Plane) -> None:
    _, token = town.account("desk", ("operator", "town"))
    number = town.done("GET", "/v1/self", token=token)["token"]["number"]
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, token=token)
    rows = b"prefix,authority,funding,audience\n203.0.113.0/24,town,public,staff\n"
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "text/csv"}
    town.done("POST", "/v1/ranges/import", content=rows, headers=headers)
    _noted(town, 1)
    local, imported, toggled = town.done("GET", "/v1/audit?limit=3")["items"]
    assert [item["token"] for item in (local, imported, toggled)] == [None, 1, number]
    *_, switched, added, last = map(json.loads, _exported(town))
    assert [entry.get("token", "none") for entry in (switched, added, last)] == [number, 1, "none"]
    assert verify(_exported(town)).sound


def test_exports_can_be_joined(town: Plane) -> None:
    first = _exported(town)
    town.done(
        "PUT",
        "/v1/authorities/more",
        {"kind": "municipality", "names": {"nl": "M"}, "languages": ["nl"], "contact": "m"},
    )
    second = _exported(town, after=len(first))
    assert len(second) == 1
    assert verify(first + second).sound
    assert first + second == _exported(town)
    assert _exported(town, after=10_000) == []


def test_export_names_the_authorities_of_each_entry_and_a_differing_index_is_logged(
    town: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    complete = _exported(town)
    assert caplog.messages == []
    _edited(town, "DROP TRIGGER matters_DELETE", "DELETE FROM matters")
    with caplog.at_level(logging.ERROR, "dnsfilter.api"):
        assert _exported(town) == complete
    (line,) = map(KeyValueFormatter().format, caplog.records)
    assert "entry 4 concerns town, but its rows in the table matters name no authority" in line
    entry = json.loads(complete[3])
    assert entry["authorities"] == ["town"]
    emptied = [*complete[:3], canonical({**entry, "authorities": []}) + b"\n", *complete[4:]]
    fault = verify(emptied).chain.fault
    assert fault is not None
    assert fault.message == "entry 4 was changed: its hash does not match its content"


@on_both_databases
def test_export_reads_in_parts_up_to_the_last_entry_at_its_start(plane: Plane) -> None:
    _noted(plane, 2 * PART + 3)
    rows: list[int] = []

    @event.listens_for(AuditRow, "load")
    def _loaded(row: AuditRow, _context: object) -> None:
        rows.append(row.seq)

    try:
        parts = export(plane.database, 0)
        first = next(parts)
        assert len(rows) == PART
        _noted(plane, 5)
        lines = b"".join([first, *parts]).splitlines(keepends=True)
    finally:
        event.remove(AuditRow, "load", _loaded)
    assert len(lines) == json.loads(lines[-1])["seq"] > 2 * PART
    assert len(_exported(plane)) == len(lines) + 5
    assert verify(lines).sound


def test_row_edited_past_the_triggers_is_reported(town: Plane) -> None:
    count = len(_exported(town))
    _edited(town, "UPDATE audit SET account = 7 WHERE seq = 3")
    report = verify(_exported(town))
    assert report.chain.fault is not None
    assert (report.chain.fault.line, report.chain.fault.seq) == (3, 3)
    assert count > 3


def test_unreadable_row_is_missing_from_the_export_and_the_rest_is_exported(town: Plane) -> None:
    count = len(_exported(town))
    _edited(town, "UPDATE audit SET after = 'no json' WHERE seq = 4", "UPDATE audit SET time_s = 9e18 WHERE seq = 5")
    lines = _exported(town)
    assert len(lines) == count - 2
    report = verify(lines)
    assert report.chain.fault is not None
    assert report.chain.fault.message == "entries 4 to 5 are missing"


def test_deleted_or_inserted_row_is_reported(town: Plane) -> None:
    _edited(town, "DELETE FROM audit WHERE seq = 4")
    assert "entry 4 is missing" in str(verify(_exported(town)).chain.fault)
    columns = "time_s, account, access, request, act, object, authorities, before, after, revision, previous, hash"
    _edited(town, f"INSERT INTO audit (seq, {columns}) SELECT 4, {columns} FROM audit WHERE seq = 5")
    fault = verify(_exported(town)).chain.fault
    assert fault is not None
    assert (fault.line, fault.seq) == (4, 4)


def _rebuild(plane: Plane, seq: int) -> None:
    """Edit one entry, and compute its hash and all later ones again. The hash chain alone cannot detect this."""
    with plane.database.reading() as session:
        rows: Sequence[dict[str, object]] = [entry_of(row) for row in session.query(AuditRow).order_by(AuditRow.seq)]
    previous = str(rows[seq - 2]["hash"])
    for entry in rows[seq - 1 :]:
        entry["previous"] = previous
        if entry["seq"] == seq:
            entry["account"] = 7
        previous = entry["hash"] = entry_hash(entry)
        _edited(
            plane,
            "UPDATE audit SET account = :account, previous = :previous, hash = :hash WHERE seq = :seq",
            **{name: entry[name] for name in ("account", "previous", "hash", "seq")},
        )


def test_rebuilt_hash_chain_is_detected_between_two_held_checkpoints(town: Plane) -> None:
    held = []
    for number in range(4):
        _noted(town, 3)
        held.append(_held(town))
        assert held[-1].statement.number == number + 1
    assert verify(_exported(town), held).sound
    _rebuild(town, held[1].statement.seq + 2)
    lines = _exported(town)
    assert verify(lines).sound
    report = verify(lines, held)
    assert report.chain.fault is None
    assert report.held is not None
    assert (report.held.agreeing, report.held.disagreeing) == (held[1], held[2])
    assert not report.sound
    # A checkpoint made afterwards does not hide the edit.
    _noted(town, 1)
    report = verify(_exported(town), [*held, _held(town)])
    assert not report.sound
