"""Notices about nodes: what is suspended on them by hand, that they lack the policy, are silent, or back.

A link that is cut silences many nodes, and each concerns everybody behind it: they are told of all in one notice.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import NodeRow, PublicationRow
from api.local_suspensions.service import local_suspensions
from api.nodes.state import is_held
from api.notices.due.earlier_node_notices import Told, Topic, told_of_nodes
from api.notices.kinds import Due, Hour, Kind
from api.ranges.repository import authorities_at
from api.suspensions.bound_bans import concerned
from dnsfilter.policy.model import Instant

HOUR_S = 3600
"""Of a site's nodes nobody is told the same thing more often: what comes meanwhile is in the next notice."""
LATE_S = 600
SOON_S = 120
"""Who is late so soon is told of together with who is: reports are written down once a minute."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is wrong with a node since `at_s`; `mark` tells this trouble from the next. Told once a node is late."""

    topic: Topic
    mark: str
    at_s: Instant
    late: bool


class _Site:
    """The nodes of a site: which are in trouble, and which are not and were heard of lately."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.wrong: dict[str, _Trouble] = {}
        self.well: set[str] = set()


class _Concerned:
    """Whom the nodes of a site concern: the installation, and authorities with ranges there. Looked for when needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, Sequence[str | None]] = {}

    def at(self, site: str) -> Sequence[str | None]:
        if site not in self._found:
            self._found[site] = (None, *authorities_at(self._session, site))
        return self._found[site]


def due_nodes(session: Session, hour: Hour) -> Iterator[Due]:
    """Trouble to the installation and to the authorities with ranges at the node's site; its end to whoever knew."""
    nodes = session.scalars(select(NodeRow).where(NodeRow.sql_is_enrolled())).all()
    if not nodes:
        return
    at_sites = _Concerned(session)
    for node in nodes:
        yield from _suspended(session, node, at_sites, hour)
    told = told_of_nodes(session, hour.now - HOUR_S)
    sites = _sites(session, nodes, hour)
    # What is over is told first: the end of all trouble is not that of what begins at the same time.
    for (name, to), known in told.items():
        if name in sites:
            yield from _over(name, sites[name], to, known, hour)
    for name, site in sites.items():
        if any(one.late for one in site.wrong.values()):
            for to in at_sites.at(name):
                yield from _begun(name, site, to, told.get((name, to), Told()), hour)


def _begun(name: str, site: _Site, to: str | None, told: Told, hour: Hour) -> Iterator[Due]:
    """The trouble at a site that somebody was not told of yet."""
    fresh: defaultdict[Topic, dict[str, _Trouble]] = defaultdict(dict)
    for node, one in site.wrong.items():
        if told.marks.get(node) != one.mark:
            fresh[one.topic][node] = one
    for topic, found in fresh.items():
        if not any(one.late for one in found.values()) or _lately(told.topics.get(topic, 0), hour):
            continue
        kind, revision = topic
        nodes = {node: found[node].mark for node in sorted(found)}
        facts: Json = {"site": name, "nodes": nodes, "at_s": min(one.at_s for one in found.values())}
        yield Due(_key(topic, name, to, hour), kind, to, {**facts, "revision": revision} if revision else facts)


def _over(name: str, site: _Site, to: str | None, told: Told, hour: Hour) -> Iterator[Due]:
    """That nodes are well of whose trouble somebody was told: once all of them are, or else an hour after the last."""
    marks = sorted(told.marks.keys() & site.known)
    well = [node for node in marks if node in site.well]
    everybody = well == marks
    if well and (everybody or not _lately(told.last_s, hour)):
        facts: Json = {"site": name, "nodes": well, "all": everybody}
        yield Due(_key((Kind.NODE_BACK, 0), name, to, hour), Kind.NODE_BACK, to, facts)
    if any(site.wrong[node].mark == told.marks[node] for node in marks if node in site.wrong):
        # Not to be forgotten, or it would be told anew.
        yield from told.notices


def _lately(made_s: Instant, hour: Hour) -> bool:
    return hour.now - HOUR_S < made_s <= hour.now


def _key(topic: Topic, site: str, to: str | None, hour: Hour) -> str:
    kind, revision = topic
    return f"{kind}/{site}/{hour.now // HOUR_S}/{revision or ''}/{to or ''}"


def _sites(session: Session, nodes: Sequence[NodeRow], hour: Hour) -> Mapping[str, _Site]:
    """How the nodes of each site are."""
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
    """What is wrong with a node, which lacks what was published at `missed_s`; None where nothing is."""
    seen_s = node.seen_s or node.enrolled_s or 0
    # Nobody could report to a process that did not run.
    quiet_s = hour.now - max(seen_s, hour.up_since)
    if quiet_s > LATE_S - SOON_S:
        return _Trouble((Kind.NODE_SILENT, 0), f"{Kind.NODE_SILENT}/{seen_s}", seen_s, quiet_s > LATE_S)
    # What it has not taken in ten minutes before it last spoke.
    if missed_s is None or seen_s - missed_s <= LATE_S - SOON_S:
        return None
    late, has = seen_s - missed_s > LATE_S, node.report["revision"]
    if is_held(node.report, newest):
        mark = f"{Kind.NODE_HELD}/{has}-{node.report['held_up_to']}"
        return _Trouble((Kind.NODE_HELD, has), mark, missed_s, late)
    return _Trouble((Kind.NODE_BEHIND, 0), f"{Kind.NODE_BEHIND}/{has}", missed_s, late)


def _suspended(session: Session, node: NodeRow, at_sites: _Concerned, hour: Hour) -> Iterator[Due]:
    """Yield the local suspensions that the node reported last, to those whose bans they set aside.

    Of several suspensions that end within the same hour the first is told: what a node says makes no heap of mail, and
    none to bodies that have no range at its site.
    """
    for one in local_suspensions(node.name, node.site, node.report, hour.now):
        scope, there = one.authority, at_sites.at(one.site)
        facts: Json = {"node": one.node, "site": one.site, "scope": scope, "until_s": one.until_s}
        owners = [to for to in there if to is not None and scope in (None, to)]
        whose = concerned(session, owners, (hour.now, one.until_s))
        for to in (None, *whose) if scope is None else whose:
            key = f"{Kind.NODE_SUSPENDED}/{node.number}/{one.until_s // HOUR_S}/{scope or ''}/{to or ''}"
            yield Due(key, Kind.NODE_SUSPENDED, to, facts if to in (None, *owners) else {**facts, "binds": True})
