"""When bans of an authority were suspended on nodes, by the acts that nodes reported."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, MatterRow, RangeRow
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, difference, intersection, union
from dnsfilter.policy.model import DAY_S, Instant

SUSPEND, END = "node.suspend", "node.end_suspension"
ENROL, REMOVE = "node.enrol", "node.remove"
EARLIEST_S = 2 * DAY_S
"""Seconds before a time in which an act that concerns it may be recorded. A local suspension lasts some hours."""


def local_acts(session: Session, authority: str, within: Interval) -> Sequence[AuditRow]:
    """Return the local suspensions of an authority and their ends that were made in a time, or shortly before it."""
    theirs = select(AuditRow).join(MatterRow, MatterRow.seq == AuditRow.seq).order_by(AuditRow.seq)
    theirs = theirs.where(MatterRow.authority == authority, AuditRow.act.in_((SUSPEND, END)))
    found = session.scalars(theirs.where(AuditRow.time_s >= within[0] - EARLIEST_S))
    return [act for act in found if made_at(act) < within[1]]


def made_at(act: AuditRow) -> Instant:
    """Return when a local act was made, by the node's clock. It is recorded with the node's next report."""
    return parse_instant((act.after or {})["time"])


def suspended_on(acts: Iterable[AuditRow], within: Interval) -> Mapping[str, Intervals]:
    """Return when bans were suspended on each node, within a time. Nodes without such a time are left out."""
    ordered = sorted(acts, key=lambda act: (act.object, made_at(act), act.seq))
    found: dict[str, list[Interval]] = defaultdict(list)
    last: dict[tuple[str, str | None], int] = {}
    for act in ordered:
        after = act.after or {}
        node, at = act.object.removeprefix("node/"), made_at(act)
        key = node, after["authority"]
        if key in last:
            # A suspension or an end replaces the suspension of the same authority.
            start, end = found[node][last[key]]
            found[node][last[key]] = start, min(end, at)
        last.pop(key, None)
        if act.act == SUSPEND and after["until"] is not None:
            last[key] = len(found[node])
            found[node].append((at, parse_instant(after["until"])))
    times = {node: intersection(union(spans), (within,)) for node, spans in found.items()}
    return {node: spans for node, spans in times.items() if spans}


def suspended_on_all(
    session: Session, authority: str, suspended: Mapping[str, Intervals], within: Interval
) -> Intervals:
    """Return when bans were suspended on every node that could have refused a query of the authority's clients."""
    common: Intervals = union(span for spans in suspended.values() for span in spans)
    for node, alive in _serving(session, authority).items():
        if common:
            there = intersection(alive, (within,))
            common = difference(common, difference(there, suspended.get(node, ())))
    return common


def _serving(session: Session, authority: str) -> Mapping[str, Intervals]:
    """Return from when to when each node was enrolled, at the sites with ranges of the authority."""
    sites = set(session.scalars(select(RangeRow.site).where(RangeRow.authority == authority).distinct()))
    found: dict[str, list[Interval]] = defaultdict(list)
    for node, site, span in _enrolled(session):
        if site in sites:
            found[node].append(span)
    return {node: union(spans) for node, spans in found.items()}


def _enrolled(session: Session) -> Iterator[tuple[str, str, Interval]]:
    """Yield the name and the site of each node with the time in which it was enrolled."""
    since: dict[str, tuple[Instant, str]] = {}
    acts = select(AuditRow).where(AuditRow.act.in_((ENROL, REMOVE))).order_by(AuditRow.seq)
    for act in session.scalars(acts):
        node = act.object.removeprefix("node/")
        if node in since and act.act == REMOVE:
            start, site = since.pop(node)
            yield node, site, (start, act.time_s)
        elif act.act == ENROL:
            since.setdefault(node, (act.time_s, (act.after or {})["site"]))
    for node, (start, site) in since.items():
        yield node, site, (start, FOREVER)
