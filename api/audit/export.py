"""Export the audit log as JSON lines, to store or verify it elsewhere.

Entries are only appended. The export reads the entries up to the last one at its start, in parts. No transaction stays
open while a client reads slowly.
"""

import logging
from collections.abc import Iterator, Sequence
from json import dumps

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db import authority_index
from api.db.models import AuditRow
from api.db.session import Database
from api.db.unit_of_work import entry_of, head
from dnsfilter.telemetry.logs import emit

PART = 500
"""Number of entries in memory at once."""

# The system raises OSError for a time outside the calendar.
_UNREADABLE = (ValueError, TypeError, OverflowError, OSError)

log = logging.getLogger("dnsfilter.api")


def export(database: Database, after: int) -> Iterator[bytes]:
    """Yield the entries with numbers above `after`, in order, in parts. Raise the errors of the database.

    An unreadable entry is left out and logged: the verification of the export reports it as missing. An entry that
    differs from the index by authority is exported as its hash covers it, and logged.
    """
    with database.reading() as session:
        last, _ = head(session)
    while after < last:
        until = min(after + PART, last)
        with database.reading() as session:
            part = _part(session, after, until)
        # Outside the transaction: a slow client must not keep it open.
        yield part
        after = until


def _part(session: Session, after: int, until: int) -> bytes:
    try:
        rows = _read(session, after, until)
        fault = authority_index.first_fault(session, rows)
        if fault is not None:
            emit(log, logging.ERROR, "index of the audit log differs from its entries", reason=fault)
        return b"".join(map(_line, rows))
    except _UNREADABLE:
        # Something other than this program has stored invalid JSON or an invalid time.
        return b"".join(_one(session, seq) for seq in range(after + 1, until + 1))


def _one(session: Session, seq: int) -> bytes:
    try:
        return b"".join(map(_line, _read(session, seq - 1, seq)))
    except _UNREADABLE as error:
        emit(log, logging.ERROR, "entry of the audit log cannot be read", seq=seq, error=type(error).__name__)
        return b""


def _read(session: Session, after: int, until: int) -> Sequence[AuditRow]:
    return session.scalars(
        select(AuditRow).where(AuditRow.seq > after, AuditRow.seq <= until).order_by(AuditRow.seq)
    ).all()


def _line(row: AuditRow) -> bytes:
    # Not `canonical`: it rejects values that this program never stores, but the export shows them as they are.
    return dumps(entry_of(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
