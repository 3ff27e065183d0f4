"""In which state a peer is, and when its register is fetched again."""

from sqlalchemy import ColumnElement, and_, or_

from api.db.models import PeerRow
from api.peers.schemas import PeerState
from dnsfilter.policy.model import Instant

EVERY_S = 3600
"""Checkpoints are made once an hour."""
FIRST_PAUSE_S = 300
REPEATED = 5
"""Failures in a row after which a peer is failing."""


def peer_state(row: PeerRow) -> PeerState:
    """Return the state of a peer."""
    if row.ended_s is not None:
        return PeerState.ENDED
    if row.broken:
        return PeerState.BROKEN
    if row.failures >= REPEATED:
        return PeerState.FAILING
    return PeerState.NEW if row.good_s is None else PeerState.CONTINUES


def sql_is_broken() -> ColumnElement[bool]:
    """Select the peers in the state `broken`."""
    return and_(PeerRow.ended_s.is_(None), PeerRow.broken != "")


def sql_is_due(now: Instant) -> ColumnElement[bool]:
    """Select the peers to fetch now. One that is due later than it can be is due too: the clock was set back."""
    return and_(PeerRow.ended_s.is_(None), or_(PeerRow.next_s <= now, PeerRow.next_s > now + 2 * EVERY_S))


def pause_s(failures: int) -> int:
    """Return the seconds until the next fetch. The first failures shorten the pause."""
    return min(EVERY_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 16)) if failures else EVERY_S
