"""Notices about peers whose checkpoints do not continue each other."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from api.notices.kinds import Due, Hour, Kind
from api.peers.repository import broken


def due_peers(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice to the installation about each break in the checkpoints of a peer."""
    kind = Kind.PEER_BROKEN
    for row in broken(session):
        if row.broken_s is not None and row.broken_s > hour.since:
            yield Due(f"{kind}/{row.name}/{row.broken_s}", kind, None, {"peer": row.name, "at_s": row.broken_s})
