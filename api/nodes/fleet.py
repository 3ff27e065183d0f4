"""All nodes of a control plane, as one process knows them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import get_args

from sqlalchemy.orm import Session

from api.auth.authentication_failures import Bucket
from api.db.models import NodeRow
from api.db.session import Database
from api.http.quota import Quota
from api.nodes import repository
from api.nodes.last_reports import UNREGISTERED_S, Board
from api.nodes.repository import Brief
from api.nodes.schemas import NodeRead, State, UnregisteredRead
from api.nodes.state import Standing, read_node, said, standing_of
from api.publish.newest import News
from api.publish.service import Publisher
from api.timestamps import timestamp_text
from api.unregistered.networks import Place

MAX_DOWNLOADS = 64
"""Files on their way at once."""
MAX_DOWNLOADS_EACH = 2
"""And of one node: it takes one after the other, and one that was broken off may not have ended yet."""
JOURNAL_BURST, JOURNAL_INTERVAL_S = 2000, 6.0
"""Entries of one node's journal that go on record at once, and how often one more. A node keeps what is not taken."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many nodes serve, and how many of them decide by the newest snapshot."""

    nodes: int
    in_force: int


class Fleet:
    """What nodes are given and what they reported."""

    def __init__(self, database: Database, publisher: Publisher, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.publisher = publisher
        self.board = Board(database, clock)
        self.downloads = Quota("downloads under way", MAX_DOWNLOADS, MAX_DOWNLOADS_EACH)
        self._lock = Lock()
        self._journals: dict[int, Bucket] = {}

    @property
    def news(self) -> News:
        """The newest snapshot, and who waits for the next one."""
        return self.publisher.news

    def read(self, row: NodeRow) -> NodeRead:
        """A node as it stands now."""
        return read_node(row, self.board.heard(row.number), self.news, self._clock())

    def states(self, session: Session, rows: Sequence[Brief]) -> Sequence[State]:
        """The state of each of the nodes now."""
        return [standing.state for standing in self._standings(session, rows)]

    def _standings(self, session: Session, rows: Sequence[Brief]) -> Sequence[Standing]:
        now_s, heard = self._clock(), [self.board.heard(row.number) for row in rows]
        silent = [row.number for row, known in zip(rows, heard, strict=True) if known is None and row.enrolled_s]
        written = repository.reports(session, silent)
        found = []
        for row, known in zip(rows, heard, strict=True):
            body, seen_s = said(written.get(row.number, {}), row.seen_s, known)
            found.append(standing_of(row, body, seen_s, self.news, now_s))
        return found

    def forget(self, number: int) -> None:
        """Drop what a node reported, and let it wait no longer."""
        self.board.forget(number)
        self.news.dismiss(number)

    def admitted(self, number: int, entries: int) -> int:
        """How many of so many entries of a node's journal may go on record now: who has its token fills no disk."""
        now = self._clock()
        with self._lock:
            bucket = self._journals.setdefault(number, Bucket(JOURNAL_BURST, JOURNAL_INTERVAL_S))
            for taken in range(entries):
                if bucket.wait_s(now) > 0:
                    return taken
                bucket.take(now)
            return entries

    def counts(self) -> Mapping[str, int]:
        """How many nodes there are in each state; raises SQLAlchemyError."""
        with self._database.reading() as session:
            found = Counter(self.states(session, repository.briefs(session)))
        return {state: found[state] for state in get_args(State)}

    def reach(self) -> Reach:
        """Count the nodes that decide by the newest snapshot. Raise SQLAlchemyError."""
        with self._database.reading() as session:
            serving = [each for each in self._standings(session, repository.briefs(session)) if each.is_serving]
        return Reach(len(serving), sum(each.is_newest for each in serving))

    def unregistered(
        self, session: Session, site: str | None, after: Place | None, limit: int
    ) -> list[UnregisteredRead]:
        """The first `limit` prefixes behind `after` in no range, from which nodes had queries within a day."""
        names = repository.names(session, site)
        since_s = self._clock() - UNREGISTERED_S
        return [
            UnregisteredRead(
                site=found.place.site,
                prefix=found.prefix,
                queries=sum(one.queries for one in found.asked.values()),
                seen=timestamp_text(max(0, int(max(one.seen_s for one in found.asked.values())))),
                nodes=sorted(names[number] for number in found.asked),
            )
            for found in self.board.unregistered.listed(site, after, since_s, limit, names.__contains__)
        ]

    def start(self) -> None:
        """Start writing reports down."""
        self.board.start()

    def stop(self) -> None:
        """Stop it."""
        self.board.stop()
