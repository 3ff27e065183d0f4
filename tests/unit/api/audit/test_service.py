"""Making checkpoints: of the newest entry, once, with a key that the audit log names."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from api.audit.service import checkpoint_of, identity, make_checkpoint, newest_key_in_log
from api.chain.checkpoint import Checkpoint, public_text
from api.db.models import AuditRow, CheckpointRow
from api.db.unit_of_work import head
from tests.support.audit_records import KEY, OTHER_KEY
from tests.unit.api.conftest import START, Plane


def _made(plane: Plane, key: Ed25519PrivateKey) -> tuple[Checkpoint, bool]:
    with plane.database.writing() as session:
        row, fresh = make_checkpoint(session, key, START)
        return checkpoint_of(row, identity(session)), fresh


def _keys(plane: Plane) -> list[tuple[object, object]]:
    with plane.database.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.act == "checkpoint.key").order_by(AuditRow.seq))
        return [((row.before or {}).get("key"), (row.after or {}).get("key")) for row in rows]


def test_checkpoint_states_the_hash_of_the_newest_entry(town: Plane) -> None:
    checkpoint, fresh = _made(town, KEY)
    assert fresh
    assert checkpoint.genuine
    with town.database.reading() as session:
        assert (checkpoint.statement.seq, checkpoint.statement.hash) == head(session)
        assert checkpoint.statement.installation == identity(session)
    assert checkpoint.statement.time == "2026-09-21T14:13:20Z"


def test_entry_has_at_most_one_checkpoint(town: Plane) -> None:
    first = _made(town, KEY)
    assert _made(town, KEY) == (first[0], False)
    with town.database.reading() as session:
        assert len(session.scalars(select(CheckpointRow)).all()) == 1


def test_new_key_becomes_an_entry_before_it_signs(town: Plane) -> None:
    ours, others = public_text(KEY), public_text(OTHER_KEY)
    _made(town, KEY)
    _made(town, KEY)
    assert _keys(town) == [(None, ours)]
    checkpoint, fresh = _made(town, OTHER_KEY)
    assert (fresh, checkpoint.key) == (True, others)
    assert _keys(town) == [(None, ours), (ours, others)]
    with town.database.reading() as session:
        assert newest_key_in_log(session) == others
        assert checkpoint.statement.seq == head(session)[0]
    entry = town.done("GET", "/v1/audit?act=checkpoint.key&limit=1")["items"][0]
    assert (entry["account"], entry["object"], entry["revision"]) == (0, "installation", town.revision())


def test_private_key_is_in_neither_database_nor_answers(town: Plane, tmp_path: Path) -> None:
    town.done("POST", "/v1/audit/checkpoints")
    pem = (tmp_path / "state" / "checkpoint-key").read_text().splitlines()[1]
    database = (tmp_path / "state" / "dnsfilter.sqlite3").read_bytes()
    log = (tmp_path / "state" / "dnsfilter.sqlite3-wal").read_bytes()
    assert pem.encode() not in database + log
    assert pem not in town.call("GET", "/v1/audit/export").text + town.call("GET", "/v1/audit/checkpoints").text
