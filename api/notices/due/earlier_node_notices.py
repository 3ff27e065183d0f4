"""The notices about nodes that were already made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import NoticeRow
from api.notices.kinds import Due, Kind
from dnsfilter.policy.model import Instant

TROUBLE = (Kind.NODE_SILENT, Kind.NODE_BEHIND, Kind.NODE_HELD)

Topic: TypeAlias = tuple[Kind, int]
"""A kind of notice that can cover several nodes, with the revision that was selected locally (else 0)."""


@dataclass(slots=True)
class EarlierNotices:
    """Earlier notices to one recipient about the nodes of a site.

    `marks` holds the reported problem of each node without a notice of its recovery. `topics` holds the time of the
    last notice on each topic. `notices` are the notices that this comes from.
    """

    marks: dict[str, str] = field(default_factory=dict)
    topics: dict[Topic, Instant] = field(default_factory=dict)
    last_s: Instant = 0
    notices: list[Due] = field(default_factory=list)


def earlier_notices(session: Session, since_s: Instant) -> Mapping[tuple[str, str | None], EarlierNotices]:
    """Return the notices on problems without a recovery, and those made after `since_s`, by site and authority."""
    row, site = NoticeRow, NoticeRow.facts["site"].as_string()
    # The last notice that all nodes were well again.
    all_well = and_(row.kind == str(Kind.NODE_BACK), row.facts["all"].as_boolean())
    ends = select(row.authority, site.label("site"), func.max(row.number).label("number")).where(all_well)
    end = ends.group_by(row.authority, site).subquery()
    same = and_(end.c.authority.is_not_distinct_from(row.authority), end.c.site == site)
    statement = (
        select(row.number, row.key, row.kind, row.authority, row.facts, row.made_s)
        .outerjoin(end, same)
        .where(row.kind.in_(map(str, (*TROUBLE, Kind.NODE_BACK))))
        .where(or_(end.c.number.is_(None), row.number >= end.c.number, row.made_s > since_s))
        .order_by(row.number)
    )
    found: dict[tuple[str, str | None], EarlierNotices] = {}
    for one in session.execute(statement):
        kind, facts = Kind(one.kind), one.facts
        earlier = found.setdefault((facts["site"], one.authority), EarlierNotices())
        earlier.topics[kind, facts.get("revision", 0)] = earlier.last_s = one.made_s
        earlier.notices.append(Due(one.key, kind, one.authority, facts))
        if kind is not Kind.NODE_BACK:
            earlier.marks |= facts["nodes"]
            continue
        if facts["all"]:
            earlier.marks.clear()
            earlier.notices.clear()
        for name in facts["nodes"]:
            earlier.marks.pop(name, None)
    return found
