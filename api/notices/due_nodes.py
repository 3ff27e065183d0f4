"""Notices about nodes: what is suspended on them by hand, that they lack the policy, are silent, or back."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import NodeRow, NoticeRow, PublicationRow, RangeRow
from api.moments import parse_moment
from api.nodes.standing import is_held
from api.notices.kinds import Due, Hour, Kind
from api.notices.repository import KEPT_S

HOUR_S = 3600
LATE_S = 600
REMEMBERED_S = KEPT_S
"""For so long after it was told of a node's trouble somebody is told that the node is back."""


def due_nodes(session: Session, hour: Hour) -> Iterator[Due]:
    """Trouble to the installation and to the authorities with ranges at the node's site; its end to whoever knew."""
    nodes = session.scalars(select(NodeRow).where(NodeRow.removed_s.is_(None), NodeRow.enrolled_s.is_not(None))).all()
    if not nodes:
        return
    troubled = _troubled(session, hour)
    newest = session.scalar(select(PublicationRow.revision).order_by(PublicationRow.id.desc()).limit(1)) or 0
    concerned = {site: _concerned(session, site) for site in {node.site for node in nodes}}
    for node in nodes:
        yield from _suspended(node, concerned[node.site], hour)
        trouble = _trouble(session, node, newest, hour)
        facts: Json = {"node": node.name, "site": node.site}
        if trouble is None:
            heard = node.seen_s is not None and hour.now - node.seen_s <= LATE_S
            for told in troubled.get(node.name, ()) if heard else ():
                yield Due(f"{Kind.NODE_BACK}/{told.number}", Kind.NODE_BACK, told.authority, facts)
            continue
        kind, mark, at_s = trouble
        if kind is Kind.NODE_HELD:
            facts["revision"] = node.report["revision"]
        for to in concerned[node.site]:
            yield Due(f"{kind}/{node.number}/{mark}/{to or ''}", kind, to, {**facts, "at_s": at_s})


def _trouble(session: Session, node: NodeRow, newest: int, hour: Hour) -> tuple[Kind, int | str, int] | None:
    """What is wrong with a node, what tells this trouble from the next, and since when; None where none is known."""
    seen_s = node.seen_s or node.enrolled_s or 0
    # Nobody could report to a process that did not run.
    if hour.now - max(seen_s, hour.up_since) > LATE_S:
        return Kind.NODE_SILENT, seen_s, seen_s
    has = node.report.get("revision")
    if not isinstance(has, int) or has >= newest:
        return None
    # What it has not taken in ten minutes before it last spoke.
    statement = select(func.min(PublicationRow.time_s)).where(
        PublicationRow.revision > has, PublicationRow.time_s < seen_s - LATE_S
    )
    missed_s = session.scalar(statement)
    if missed_s is None:
        return None
    if is_held(node.report, newest):
        return Kind.NODE_HELD, f"{has}-{node.report['held_up_to']}", missed_s
    return Kind.NODE_BEHIND, has, missed_s


def _suspended(node: NodeRow, concerned: Sequence[str | None], hour: Hour) -> Iterator[Due]:
    """What was suspended on the node itself, as it last said; to the authority, or to all there.

    Of several suspensions that end within the same hour the first is told: what a node says makes no heap of mail, and
    none to bodies that have no range at its site.
    """
    for entry in node.report.get("suspended", ()):
        until_s, scope = parse_moment(entry["until"], "UTC"), entry["authority"]
        if until_s <= hour.now:
            continue
        facts: Json = {"node": node.name, "site": node.site, "scope": scope, "until_s": until_s}
        for to in concerned if scope is None else (scope,) if scope in concerned else ():
            key = f"{Kind.NODE_SUSPENDED}/{node.number}/{until_s // HOUR_S}/{scope or ''}/{to or ''}"
            yield Due(key, Kind.NODE_SUSPENDED, to, facts)


def _troubled(session: Session, hour: Hour) -> Mapping[str, list[NoticeRow]]:
    """By node, the last notice to each that tells of trouble."""
    statement = (
        select(NoticeRow)
        .where(NoticeRow.kind.in_((str(Kind.NODE_SILENT), str(Kind.NODE_BEHIND), str(Kind.NODE_HELD))))
        .where(NoticeRow.made_s > hour.now - REMEMBERED_S)
        .order_by(NoticeRow.number)
    )
    last: dict[tuple[str, str | None], NoticeRow] = {}
    for row in session.scalars(statement):
        last[str(row.facts["node"]), row.authority] = row
    found: dict[str, list[NoticeRow]] = {}
    for (node, _), row in last.items():
        found.setdefault(node, []).append(row)
    return found


def _concerned(session: Session, site: str) -> Sequence[str | None]:
    statement = select(RangeRow.authority).where(RangeRow.site == site).distinct().order_by(RangeRow.authority)
    return (None, *session.scalars(statement))
