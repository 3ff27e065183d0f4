"""Local suspensions: made on nodes, known from their last reports."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import AuthorityRow, NodeRow
from api.nodes.last_reports import LastReports
from api.nodes.state import last_report
from api.timestamps import stored_instant
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class LocalSuspension:
    """A node refuses nothing for an authority (None: for all) until `until_s`, by a local act."""

    node: str
    site: str
    authority: str | None
    until_s: Instant


def local_suspensions(node: str, site: str, report: Json, now_s: Instant) -> Iterator[LocalSuspension]:
    """Yield the suspensions in a node's report that have not ended."""
    for one in report.get("suspended", ()):
        until_s = stored_instant(one["until"])
        if until_s > now_s:
            yield LocalSuspension(node, site, one["authority"], until_s)


def current_local_suspensions(session: Session, reports: LastReports, now_s: Instant) -> Iterator[LocalSuspension]:
    """Yield the local suspensions of all nodes, without those of unknown authorities."""
    known = {None, *session.scalars(select(AuthorityRow.slug))}
    columns = (NodeRow.number, NodeRow.name, NodeRow.site, NodeRow.report, NodeRow.seen_s)
    for row in session.execute(select(*columns).where(NodeRow.sql_is_enrolled())):
        report, _ = last_report(row.report, row.seen_s, reports.received(row.number))
        yield from (one for one in local_suspensions(row.name, row.site, report, now_s) if one.authority in known)
