"""What authorities were told of nodes, from the notices themselves."""

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
"""What one notice can say of several nodes: with the revision by which they decide, where that was chosen by hand."""


@dataclass(slots=True)
class Told:
    """What somebody was told of the nodes of a site.

    `marks` are of trouble, by node, that nobody has told the end of; `topics` has when there was a notice of each last.
    `notices` are those by which this is known.
    """

    marks: dict[str, str] = field(default_factory=dict)
    topics: dict[Topic, Instant] = field(default_factory=dict)
    last_s: Instant = 0
    notices: list[Due] = field(default_factory=list)


def told_of_nodes(session: Session, since_s: Instant) -> Mapping[tuple[str, str | None], Told]:
    """By site and authority, all that is not over, and what was told after `since_s`."""
    row, site = NoticeRow, NoticeRow.facts["site"].as_string()
    # The last that told that all was well again.
    whole = and_(row.kind == str(Kind.NODE_BACK), row.facts["all"].as_boolean())
    ends = select(row.authority, site.label("site"), func.max(row.number).label("number")).where(whole)
    end = ends.group_by(row.authority, site).subquery()
    same = and_(end.c.authority.is_not_distinct_from(row.authority), end.c.site == site)
    statement = (
        select(row.number, row.key, row.kind, row.authority, row.facts, row.made_s)
        .outerjoin(end, same)
        .where(row.kind.in_(map(str, (*TROUBLE, Kind.NODE_BACK))))
        .where(or_(end.c.number.is_(None), row.number >= end.c.number, row.made_s > since_s))
        .order_by(row.number)
    )
    found: dict[tuple[str, str | None], Told] = {}
    for one in session.execute(statement):
        kind, facts = Kind(one.kind), one.facts
        told = found.setdefault((facts["site"], one.authority), Told())
        told.topics[kind, facts.get("revision", 0)] = told.last_s = one.made_s
        told.notices.append(Due(one.key, kind, one.authority, facts))
        if kind is not Kind.NODE_BACK:
            told.marks |= facts["nodes"]
            continue
        if facts["all"]:
            told.marks.clear()
            told.notices.clear()
        for name in facts["nodes"]:
            told.marks.pop(name, None)
    return found
