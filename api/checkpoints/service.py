"""Checkpoints of the record: made of its newest entry, and kept beside it."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.chain.verification import KEY_ACT
from api.db.models import AuditRow, CheckpointRow, InstallationRow
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import LOCAL, UnitOfWork, head
from api.http.pagination import select_page
from api.timestamps import timestamp_text


def make_checkpoint(session: Session, key: Ed25519PrivateKey, now_s: int) -> tuple[CheckpointRow, bool]:
    """The checkpoint of the newest entry, and whether it was made now; there is none twice. For a writing session.

    A key that the record does not name as the newest becomes an entry of its own first.
    """
    public, known = public_text(key), key_of_record(session)
    if known != public:
        named = {"key": public, "installation": identity(session)}
        before = None if known is None else {**named, "key": known}
        UnitOfWork(session, LOCAL, now_s).note(KEY_ACT, "installation", before, named)
        session.flush()
    seq, hash_ = head(session)
    last = newest(session)
    if last is not None and (last.seq, last.hash, last.key) == (seq, hash_, public):
        return last, False
    row = CheckpointRow(seq=seq, hash=hash_, time_s=now_s, key=public, signature="", delivered=[])
    session.add(row)
    session.flush()
    row.signature = _statement(row, identity(session)).signed_by(key).signature
    return row, True


def key_of_record(session: Session) -> str | None:
    """The public key that the record names as the newest; None before the first."""
    statement = select(AuditRow.after).where(AuditRow.act == KEY_ACT).order_by(AuditRow.seq.desc()).limit(1)
    named = session.scalar(statement)
    return None if named is None else str(named["key"])


def newest(session: Session) -> CheckpointRow | None:
    """The last checkpoint made."""
    return session.scalar(select(CheckpointRow).order_by(CheckpointRow.number.desc()).limit(1))


def identity(session: Session) -> str:
    """How the installation is named in its checkpoints."""
    return session.get_one(InstallationRow, INSTALLATION).identity


def checkpoint_of(row: CheckpointRow, installation: str) -> Checkpoint:
    """A row as the checkpoint that it keeps."""
    return Checkpoint(_statement(row, installation), row.key, row.signature)


def page(session: Session, limit: int, cursor: str | None) -> tuple[Sequence[CheckpointRow], str | None]:
    """A page of checkpoints, newest first."""
    return select_page(session, select(CheckpointRow), CheckpointRow.number, int, limit, cursor, newest_first=True)


def _statement(row: CheckpointRow, installation: str) -> Statement:
    return Statement(row.number, installation, row.seq, row.hash, timestamp_text(row.time_s))
