"""What is suspended on nodes themselves, as they said last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import AuthorityRow, NodeRow, RangeRow
from api.moments import parse_moment
from api.nodes.board import Board
from api.nodes.standing import said
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class ByHand:
    """Nothing is refused by a node for an authority (None: for all) until `until_s`, as somebody told it there."""

    node: str
    site: str
    authority: str | None
    until_s: Instant


def by_hand(node: str, site: str, report: Json, now_s: Instant) -> Iterator[ByHand]:
    """What the report of a node says to be suspended there still."""
    for one in report.get("suspended", ()):
        until_s = parse_moment(one["until"], "UTC")
        if until_s > now_s:
            yield ByHand(node, site, one["authority"], until_s)


def with_ranges_at(session: Session, site: str) -> Sequence[str]:
    """The authorities with ranges at a site, by name."""
    statement = select(RangeRow.authority).where(RangeRow.site == site).distinct().order_by(RangeRow.authority)
    return session.scalars(statement).all()


def held_by_hand(session: Session, board: Board, now_s: Instant) -> Iterator[ByHand]:
    """What all nodes say, but of authorities that there are not."""
    known = {None, *session.scalars(select(AuthorityRow.slug))}
    columns = (NodeRow.number, NodeRow.name, NodeRow.site, NodeRow.report, NodeRow.seen_s)
    for row in session.execute(select(*columns).where(NodeRow.removed_s.is_(None), NodeRow.enrolled_s.is_not(None))):
        report, _ = said(row.report, row.seen_s, board.heard(row.number))
        yield from (one for one in by_hand(row.name, row.site, report, now_s) if one.authority in known)
