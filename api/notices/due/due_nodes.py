"""Notices about nodes: local suspensions, outdated policy, silence, and recovery.

A broken link silences many nodes at once. One notice per recipient names them all.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import NodeRow, NoticeRow, PublicationRow
from api.db.sites import authorities_at
from api.nodes.state import is_held, local_suspensions
from api.notices.kinds import Due, Hour, Kind
from api.suspensions.bound_bans import concerned
from dnsfilter.policy.model import Instant

HOUR_S = 3600
"""Minimum interval in seconds between notices on the same topic about the nodes of a site."""
LATE_S = 600
"""Seconds after which a silent or outdated node causes a notice."""
SOON_S = 120
"""A notice includes nodes that become late within this time in seconds: reports are stored once a minute."""

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


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A problem of a node since `at_s`. `mark` identifies this problem. It causes a notice once the node is `late`."""

    topic: Topic
    mark: str
    at_s: Instant
    late: bool


class _Site:
    """The nodes of a site: `wrong` have a problem, `well` have none and reported recently."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.wrong: dict[str, _Trouble] = {}
        self.well: set[str] = set()


class _Recipients:
    """The recipients of notices about a site: the installation and the authorities with ranges there. Loaded lazily."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, Sequence[str | None]] = {}

    def at(self, site: str) -> Sequence[str | None]:
        if site not in self._found:
            self._found[site] = (None, *authorities_at(self._session, site))
        return self._found[site]


def due_nodes(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about nodes.

    Problems go to the installation and to the authorities with ranges at the node's site. Recoveries go to the
    recipients of the notice about the problem.
    """
    nodes = session.scalars(select(NodeRow).where(NodeRow.sql_is_enrolled())).all()
    if not nodes:
        return
    at_sites = _Recipients(session)
    for node in nodes:
        yield from _suspended(session, node, at_sites, hour)
    earlier = _earlier_notices(session, hour.now - HOUR_S)
    sites = _sites(session, nodes, hour)
    # Recoveries first: a notice that all nodes are well must not cover problems that begin at the same time.
    for (name, to), known in earlier.items():
        if name in sites:
            yield from _recoveries(name, sites[name], to, known, hour)
    for name, site in sites.items():
        if any(one.late for one in site.wrong.values()):
            for to in at_sites.at(name):
                yield from _problems(name, site, to, earlier.get((name, to), EarlierNotices()), hour)


def _earlier_notices(session: Session, since_s: Instant) -> Mapping[tuple[str, str | None], EarlierNotices]:
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


def _problems(name: str, site: _Site, to: str | None, earlier: EarlierNotices, hour: Hour) -> Iterator[Due]:
    """Yield notices about problems at a site that the recipient has not been notified of."""
    fresh: defaultdict[Topic, dict[str, _Trouble]] = defaultdict(dict)
    for node, one in site.wrong.items():
        if earlier.marks.get(node) != one.mark:
            fresh[one.topic][node] = one
    for topic, found in fresh.items():
        if not any(one.late for one in found.values()) or _is_recent(earlier.topics.get(topic, 0), hour):
            continue
        kind, revision = topic
        nodes = {node: found[node].mark for node in sorted(found)}
        facts: Json = {"site": name, "nodes": nodes, "at_s": min(one.at_s for one in found.values())}
        yield Due(_key(topic, name, to, hour), kind, to, {**facts, "revision": revision} if revision else facts)


def _recoveries(name: str, site: _Site, to: str | None, earlier: EarlierNotices, hour: Hour) -> Iterator[Due]:
    """Yield a notice that nodes with a reported problem are well again.

    It is due when all of them are well, or else an hour after the last notice.
    """
    marks = sorted(earlier.marks.keys() & site.known)
    well = [node for node in marks if node in site.well]
    all_well = well == marks
    if well and (all_well or not _is_recent(earlier.last_s, hour)):
        facts: Json = {"site": name, "nodes": well, "all": all_well}
        yield Due(_key((Kind.NODE_BACK, 0), name, to, hour), Kind.NODE_BACK, to, facts)
    if any(site.wrong[node].mark == earlier.marks[node] for node in marks if node in site.wrong):
        # Keep the earlier notices from being swept: without them, the problem would be reported again.
        yield from earlier.notices


def _is_recent(made_s: Instant, hour: Hour) -> bool:
    return hour.now - HOUR_S < made_s <= hour.now


def _key(topic: Topic, site: str, to: str | None, hour: Hour) -> str:
    kind, revision = topic
    return f"{kind}/{site}/{hour.now // HOUR_S}/{revision or ''}/{to or ''}"


def _sites(session: Session, nodes: Sequence[NodeRow], hour: Hour) -> Mapping[str, _Site]:
    """Return the condition of the nodes of each site."""
    newest = session.scalar(select(PublicationRow.revision).order_by(PublicationRow.id.desc()).limit(1)) or 0
    missed: dict[int, Instant | None] = {}
    found: defaultdict[str, _Site] = defaultdict(_Site)
    for node in nodes:
        site, reported = found[node.site], node.report.get("revision")
        has: int = newest if reported is None else reported
        site.known.add(node.name)
        if has < newest and has not in missed:
            later = select(func.min(PublicationRow.time_s)).where(PublicationRow.revision > has)
            missed[has] = session.scalar(later)
        trouble = _trouble(node, newest, missed.get(has), hour)
        if trouble is not None:
            site.wrong[node.name] = trouble
        elif node.seen_s is not None and hour.now - node.seen_s <= LATE_S - SOON_S:
            site.well.add(node.name)
    return found


def _trouble(node: NodeRow, newest: int, missed_s: Instant | None, hour: Hour) -> _Trouble | None:
    """Return the problem of a node that lacks the snapshot published at `missed_s`; None if there is no problem."""
    seen_s = node.seen_s or node.enrolled_s or 0
    # No node could report while this process was not running.
    quiet_s = hour.now - max(seen_s, hour.up_since)
    if quiet_s > LATE_S - SOON_S:
        return _Trouble((Kind.NODE_SILENT, 0), f"{Kind.NODE_SILENT}/{seen_s}", seen_s, quiet_s > LATE_S)
    # The change that the node had not applied ten minutes later, when it last reported.
    if missed_s is None or seen_s - missed_s <= LATE_S - SOON_S:
        return None
    late, has = seen_s - missed_s > LATE_S, node.report["revision"]
    if is_held(node.report, newest):
        mark = f"{Kind.NODE_HELD}/{has}-{node.report['held_up_to']}"
        return _Trouble((Kind.NODE_HELD, has), mark, missed_s, late)
    return _Trouble((Kind.NODE_BEHIND, 0), f"{Kind.NODE_BEHIND}/{has}", missed_s, late)


def _suspended(session: Session, node: NodeRow, at_sites: _Recipients, hour: Hour) -> Iterator[Due]:
    """Yield notices about the local suspensions in the node's last report, to the authorities whose bans they disable.

    Of several suspensions that end within the same hour, only the first causes a notice: a node cannot cause much mail.
    Authorities without ranges at its site or bans that apply there get none.
    """
    for one in local_suspensions(node.name, node.site, node.report, hour.now):
        scope, there = one.authority, at_sites.at(one.site)
        facts: Json = {"node": one.node, "site": one.site, "scope": scope, "until_s": one.until_s}
        owners = [to for to in there if to is not None and scope in (None, to)]
        recipients = concerned(session, owners, (hour.now, one.until_s))
        for to in (None, *recipients) if scope is None else recipients:
            key = f"{Kind.NODE_SUSPENDED}/{node.number}/{one.until_s // HOUR_S}/{scope or ''}/{to or ''}"
            yield Due(key, Kind.NODE_SUSPENDED, to, facts if to in (None, *owners) else {**facts, "binds": True})
