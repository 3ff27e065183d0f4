"""The exported record: whole, bounded, verifiable without the database; and what becomes of one that was edited."""

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

pytestmark = pytest.mark.slow

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
    """Statements past the triggers, as whoever has the database's file can do them."""
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
def test_the_export_of_acts_is_a_whole_record(town: Plane) -> None:
    lines = _exported(town)
    report = verify(lines)
    assert report.sound
    newest = town.done("GET", "/v1/audit?limit=1")["items"][0]
    assert (report.chain.seq, report.chain.hash) == (newest["seq"], newest["hash"])
    assert json.loads(lines[-1]) == newest


@on_both_databases
def test_an_act_names_the_token_that_it_was_made_with_and_a_local_one_none(town: Plane) -> None:
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


def test_a_token_that_is_put_into_an_entry_or_taken_out_breaks_the_chain(town: Plane) -> None:
    # The first entry is a local act; the last is the administrator's.
    last = len(_exported(town))
    for seq, before, value in ((1, None, 7), (last, 1, None)):
        _edited(town, f"UPDATE audit SET token = :token WHERE seq = {seq}", token=value)
        fault = verify(_exported(town)).chain.fault
        assert fault is not None
        assert (fault.line, "was changed" in fault.message) == (seq, True)
        _edited(town, f"UPDATE audit SET token = :token WHERE seq = {seq}", token=before)
    assert verify(_exported(town)).sound


def test_exports_can_be_put_together(town: Plane) -> None:
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


def test_an_export_alone_shows_whose_matter_each_entry_is_and_the_log_names_an_index_that_differs(
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
    assert fault.message == "entry 4 was changed: its hash is not that of its content"


@on_both_databases
def test_it_is_read_in_parts_up_to_what_was_last_at_its_beginning(plane: Plane) -> None:
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


def test_a_row_edited_past_the_triggers_is_named(town: Plane) -> None:
    count = len(_exported(town))
    _edited(town, "UPDATE audit SET account = 7 WHERE seq = 3")
    report = verify(_exported(town))
    assert report.chain.fault is not None
    assert (report.chain.fault.line, report.chain.fault.seq) == (3, 3)
    assert count > 3


def test_a_row_that_no_program_can_read_is_missing_from_the_export_and_the_rest_is_there(town: Plane) -> None:
    count = len(_exported(town))
    _edited(town, "UPDATE audit SET after = 'no json' WHERE seq = 4", "UPDATE audit SET time_s = 9e18 WHERE seq = 5")
    lines = _exported(town)
    assert len(lines) == count - 2
    report = verify(lines)
    assert report.chain.fault is not None
    assert report.chain.fault.message == "entries 4 to 5 are missing"


def test_a_row_taken_out_or_put_in_is_found(town: Plane) -> None:
    _edited(town, "DELETE FROM audit WHERE seq = 4")
    assert "entry 4 is missing" in str(verify(_exported(town)).chain.fault)
    columns = "time_s, account, access, request, act, object, authorities, before, after, revision, previous, hash"
    _edited(town, f"INSERT INTO audit (seq, {columns}) SELECT 4, {columns} FROM audit WHERE seq = 5")
    fault = verify(_exported(town)).chain.fault
    assert fault is not None
    assert (fault.line, fault.seq) == (4, 4)


def _rebuild(plane: Plane, seq: int) -> None:
    """Edit one entry, and make its hash and every later one anew: what the chain alone cannot tell."""
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


def test_a_record_made_anew_in_the_same_database_is_found_between_two_held_checkpoints(town: Plane) -> None:
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
    # Also a checkpoint made of it afterwards does not cover that up.
    _noted(town, 1)
    report = verify(_exported(town), [*held, _held(town)])
    assert not report.sound
