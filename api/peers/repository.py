"""Queries on peers and the checkpoints that are held of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.db.models import HeldCheckpointRow, PeerRow
from api.errors import NotFound
from api.http.pagination import Paging, select_page
from api.peers.state import sql_is_broken, sql_is_due
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class Holding:
    """How many checkpoints of a peer are held, and the one with the highest number."""

    count: int
    last: HeldCheckpointRow


def find(session: Session, name: str) -> PeerRow | None:
    """Return a peer, or None."""
    return session.get(PeerRow, name)


def get(session: Session, name: str) -> PeerRow:
    """Return a peer. Raise NotFound."""
    found = find(session, name)
    if found is None:
        raise NotFound(f"No peer {name}. Type: dnsfilterctl peer list")
    return found


def still(session: Session, name: str, url: str) -> PeerRow | None:
    """Return a peer, unless it ended or changed while its register was fetched."""
    row = find(session, name)
    return row if row is not None and row.ended_s is None and row.url == url else None


def peers(session: Session) -> Sequence[PeerRow]:
    """Return all peers by name."""
    return session.scalars(select(PeerRow).order_by(PeerRow.name)).all()


def broken(session: Session) -> Sequence[PeerRow]:
    """Return the peers with a checkpoint that does not continue the held ones, by name."""
    return session.scalars(select(PeerRow).where(sql_is_broken()).order_by(PeerRow.name)).all()


def due(session: Session, now: Instant, most: int) -> Sequence[PeerRow]:
    """Return the peers to fetch now, the longest due first."""
    statement = select(PeerRow).where(sql_is_due(now)).order_by(PeerRow.next_s, PeerRow.name).limit(most)
    return session.scalars(statement).all()


def holdings(session: Session) -> Mapping[str, Holding]:
    """Return what is held of each peer, without evidence of contradictions."""
    row = HeldCheckpointRow
    of_peer = select(row.peer, func.count().label("count"), func.max(row.checkpoint).label("last"))
    counted = of_peer.where(row.contradicts.is_(False)).group_by(row.peer).subquery()
    statement = select(counted.c.count, row).join(
        row, (row.peer == counted.c.peer) & (row.checkpoint == counted.c.last) & row.contradicts.is_(False)
    )
    return {last.peer: Holding(count, last) for count, last in session.execute(statement)}


def last(session: Session, peer: str) -> HeldCheckpointRow | None:
    """Return the held checkpoint of a peer with the highest number, or None."""
    row = HeldCheckpointRow
    statement = select(row).where(row.peer == peer, row.contradicts.is_(False))
    return session.scalar(statement.order_by(row.checkpoint.desc()).limit(1))


def equal(session: Session, peer: str, checkpoint: int, seq: int) -> Sequence[HeldCheckpointRow]:
    """Return the checkpoints of a peer with this number, or of this entry, also those that are evidence."""
    row = HeldCheckpointRow
    wanted = select(row).where(row.peer == peer, or_(row.checkpoint == checkpoint, row.seq == seq))
    return session.scalars(wanted.order_by(row.number)).all()


def page(session: Session, peer: str, paging: Paging) -> tuple[Sequence[HeldCheckpointRow], str | None]:
    """Return a page of the checkpoints held of a peer, newest first."""
    wanted = select(HeldCheckpointRow).where(HeldCheckpointRow.peer == peer)
    return select_page(session, wanted, HeldCheckpointRow.number, int, *paging, newest_first=True)
