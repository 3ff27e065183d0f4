"""All nodes of a control plane, as known to this process."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.authentication_failures import Bucket
from api.db.base import Json
from api.db.models import AuthorityRow, NodeRow
from api.db.session import Database
from api.http.quota import Quota
from api.nodes import repository
from api.nodes.changed_files import ChangedFiles
from api.nodes.last_reports import UNREGISTERED_S, LastReports
from api.nodes.repository import NodeSummary
from api.nodes.schemas import NodeRead, State, UnregisteredRead
from api.nodes.state import (
    LocalSuspension,
    NodeProgress,
    Standing,
    has_revision,
    last_report,
    local_suspensions,
    read_node,
    standing_of,
)
from api.nodes.unregistered_prefixes import Position
from api.publish.announcements import Announcements
from api.publish.service import Publisher
from api.timestamps import timestamp_text
from api.usage.intake import UsageIntake
from dnsfilter.policy.model import Instant

MAX_DOWNLOADS = 64
"""Maximum number of concurrent downloads."""
MAX_DOWNLOADS_EACH = 2
"""Maximum per node. A node downloads one file at a time, but a broken download may not have ended yet."""
JOURNAL_BURST, JOURNAL_INTERVAL_S = 2000, 6.0
"""Journal entries of one node that are recorded at once, and seconds until one more. A node keeps the rest."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The number of serving nodes, how many of them apply the newest snapshot, and the last end of learning modes."""

    nodes: int
    in_force: int
    learning_until: str | None = None


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """State of an enrolled node, and what it reported last; None if it has not reported."""

    name: str
    site: str
    state: State
    revision: int | None
    report_age_s: int | None


class Fleet:
    """The nodes: their snapshots, downloads and last reports."""

    def __init__(self, database: Database, publisher: Publisher, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.publisher = publisher
        self.reports = LastReports(database, clock)
        self.usage = UsageIntake(database, publisher.services, clock)
        self.downloads = Quota("downloads under way", MAX_DOWNLOADS, MAX_DOWNLOADS_EACH)
        self.changed_files = ChangedFiles(publisher.store)
        self._lock = Lock()
        self._journals: dict[int, Bucket] = {}

    @property
    def announcements(self) -> Announcements:
        """The newest snapshot, and the nodes that wait for the next one."""
        return self.publisher.announcements

    def read(self, row: NodeRow) -> NodeRead:
        """Return a node with its current state."""
        return read_node(row, self.reports.received(row.number), self.announcements, self._clock())

    def states(self, session: Session, rows: Sequence[NodeSummary]) -> Sequence[State]:
        """Return the current state of each node."""
        return [standing.state for _, _, standing in self._known(session, rows)]

    def _known(self, session: Session, rows: Sequence[NodeSummary]) -> Sequence[tuple[NodeSummary, Json, Standing]]:
        """Return each node with its last report and its standing."""
        now_s = self._clock()
        received = [(row, self.reports.received(row.number)) for row in rows]
        silent = [row.number for row, known in received if known is None and row.enrolled_s]
        written = repository.reports(session, silent)
        found = []
        for row, known in received:
            body, seen_s = last_report(written.get(row.number, {}), row.seen_s, known)
            found.append((row, body, standing_of(row, body, seen_s, self.announcements, now_s)))
        return found

    def _enrolled(self, session: Session) -> Sequence[tuple[NodeSummary, Json, Standing]]:
        """Return the same for each enrolled node, by name."""
        rows = repository.summaries(session)
        return self._known(session, [row for row in rows if row.removed_s is None and row.enrolled_s is not None])

    def forget(self, number: int) -> None:
        """Drop a node's last report, and end its waiting for a snapshot."""
        self.reports.forget(number)
        self.announcements.end_wait(number)

    def admitted(self, number: int, entries: int) -> int:
        """Return how many of `entries` journal entries can be recorded now. The limit protects the disk."""
        now = self._clock()
        with self._lock:
            bucket = self._journals.setdefault(number, Bucket(JOURNAL_BURST, JOURNAL_INTERVAL_S))
            for taken in range(entries):
                if bucket.wait_s(now) > 0:
                    return taken
                bucket.take(now)
            return entries

    def counts(self) -> Mapping[str, int]:
        """Count the nodes in each state. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            found = Counter(self.states(session, repository.summaries(session)))
        return {state: found[state] for state in get_args(State)}

    def figures(self) -> Sequence[NodeFigures]:
        """Return the state of each enrolled node and what it reported last, by name. Raise SQLAlchemyError."""
        now_s = self._clock()
        with self._database.reading() as session:
            found = self._enrolled(session)
        return [
            NodeFigures(
                row.name,
                row.site,
                standing.state,
                body.get("revision"),
                None if standing.seen_s is None else max(0, int(now_s - standing.seen_s)),
            )
            for row, body, standing in found
        ]

    def having(self, session: Session, revision: int) -> Sequence[NodeProgress]:
        """Return for each enrolled node whether it applies the revision or a later one, by name."""
        found = []
        for row, body, standing in self._enrolled(session):
            received = self.reports.received(row.number)
            since_s = standing.seen_s if received is None else received.since_s
            has = has_revision(body, revision, self.announcements.newest)
            found.append(NodeProgress(row.name, row.site, standing.state, body.get("revision"), since_s, has))
        return found

    def reach(self) -> Reach:
        """Count the serving nodes and those that apply the newest snapshot. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            known = self._known(session, repository.summaries(session))
        serving = [(standing, body) for _, body, standing in known if standing.is_serving]
        now = timestamp_text(int(self._clock()))
        ends = (body.get("learning_until") for _, body in serving)
        return Reach(
            len(serving),
            sum(each.is_newest for each, _ in serving),
            max((end for end in ends if end is not None and end > now), default=None),
        )

    def unregistered(
        self, session: Session, site: str | None, after: Position | None, limit: int
    ) -> list[UnregisteredRead]:
        """Return the first `limit` unregistered prefixes after `after` that sent queries within a day."""
        names = repository.names(session, site)
        since_s = self._clock() - UNREGISTERED_S
        return [
            UnregisteredRead(
                site=found.position.site,
                prefix=found.prefix,
                queries=sum(one.queries for one in found.asked.values()),
                seen=timestamp_text(max(0, int(max(one.seen_s for one in found.asked.values())))),
                nodes=sorted(names[number] for number in found.asked),
            )
            for found in self.reports.unregistered.listed(site, after, since_s, limit, names.__contains__)
        ]

    def local_suspensions(self, session: Session, now_s: Instant) -> Iterator[LocalSuspension]:
        """Yield the local suspensions of all nodes, without those of unknown authorities."""
        known = {None, *session.scalars(select(AuthorityRow.slug))}
        columns = (NodeRow.number, NodeRow.name, NodeRow.site, NodeRow.report, NodeRow.seen_s)
        for row in session.execute(select(*columns).where(NodeRow.sql_is_enrolled())):
            report, _ = last_report(row.report, row.seen_s, self.reports.received(row.number))
            yield from (one for one in local_suspensions(row.name, row.site, report, now_s) if one.authority in known)

    def start(self) -> None:
        """Start storing reports."""
        self.reports.start()
        self.usage.start()

    def stop(self) -> None:
        """Store what is left, and stop."""
        self.reports.stop()
        self.usage.stop()
