"""Make and read checkpoints of the audit log."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.chain.verification import KEY_ACT
from api.db.models import AuditRow, CheckpointRow, InstallationRow
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import DAMAGE, LOCAL, UnitOfWork, head
from api.db.unusable import Unusable
from api.http.pagination import Paging, select_page
from api.timestamps import timestamp_text


def make_checkpoint(session: Session, key: Ed25519PrivateKey, now_s: int) -> tuple[CheckpointRow, bool]:
    """Return the checkpoint of the newest entry, and whether this call made it. Needs a writing session.

    An entry has at most one checkpoint per key. If the audit log does not name `key` as its newest key, an entry that
    names it comes first. Raise Unusable if the audit log is damaged: nothing is signed over damage.
    """
    if session.info.get(DAMAGE) is not None:
        raise Unusable(session.info[DAMAGE])
    public, known = public_text(key), newest_key_in_log(session)
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


def newest_key_in_log(session: Session) -> str | None:
    """Return the newest public key that the audit log names; None before the first."""
    statement = select(AuditRow.after).where(AuditRow.act == KEY_ACT).order_by(AuditRow.seq.desc()).limit(1)
    named = session.scalar(statement)
    return None if named is None else str(named["key"])


def newest(session: Session) -> CheckpointRow | None:
    """Return the newest checkpoint."""
    return session.scalar(select(CheckpointRow).order_by(CheckpointRow.number.desc()).limit(1))


def identity(session: Session) -> str:
    """Return the identity of the installation in its checkpoints."""
    return session.get_one(InstallationRow, INSTALLATION).identity


def checkpoint_of(row: CheckpointRow, installation: str) -> Checkpoint:
    """Return the checkpoint that a row stores."""
    return Checkpoint(_statement(row, installation), row.key, row.signature)


def page(session: Session, paging: Paging) -> tuple[Sequence[CheckpointRow], str | None]:
    """Return a page of checkpoints, newest first."""
    return select_page(session, select(CheckpointRow), CheckpointRow.number, int, *paging, newest_first=True)


def _statement(row: CheckpointRow, installation: str) -> Statement:
    return Statement(row.number, installation, row.seq, row.hash, timestamp_text(row.time_s))
