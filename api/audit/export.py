"""The record as JSON lines, for whoever keeps or verifies it elsewhere.

Entries only grow in number: up to the number that was the last one at the beginning, every reading sees the same ones,
so that they are read part by part and no transaction stays open while somebody reads slowly.
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
"""Entries that are in memory at once."""

# The last is what the system says of a time that no calendar has.
_UNREADABLE = (ValueError, TypeError, OverflowError, OSError)

log = logging.getLogger("dnsfilter.api")


def export(database: Database, after: int) -> Iterator[bytes]:
    """The entries with numbers above `after`, in order, a part at a time; raises what the database raises.

    An entry that cannot be read is left out and named in the log: whoever verifies the export finds it missing. An
    entry that the index by authority has otherwise is exported as its hash covers it, and named in the log.
    """
    with database.reading() as session:
        last, _ = head(session)
    while after < last:
        until = min(after + PART, last)
        with database.reading() as session:
            part = _part(session, after, until)
        # Only now: whoever reads slowly holds no transaction open.
        yield part
        after = until


def _part(session: Session, after: int, until: int) -> bytes:
    try:
        rows = _read(session, after, until)
        fault = authority_index.first_fault(session, rows)
        if fault is not None:
            emit(log, logging.ERROR, "the index of the audit log differs from its entries", reason=fault)
        return b"".join(map(_line, rows))
    except _UNREADABLE:
        # Somebody has written what is no JSON or no time past this program.
        return b"".join(_one(session, seq) for seq in range(after + 1, until + 1))


def _one(session: Session, seq: int) -> bytes:
    try:
        return b"".join(map(_line, _read(session, seq - 1, seq)))
    except _UNREADABLE as error:
        emit(log, logging.ERROR, "an entry of the record cannot be read", seq=seq, error=type(error).__name__)
        return b""


def _read(session: Session, after: int, until: int) -> Sequence[AuditRow]:
    return session.scalars(
        select(AuditRow).where(AuditRow.seq > after, AuditRow.seq <= until).order_by(AuditRow.seq)
    ).all()


def _line(row: AuditRow) -> bytes:
    # Not `canonical`, which refuses what the record never holds: what is there is shown as it is.
    return dumps(entry_of(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
