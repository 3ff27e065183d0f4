"""All nodes of a control plane, as one process knows them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import get_args

from api.auth.failures import Bucket
from api.db.models import NodeRow
from api.db.session import Database
from api.moments import moment_text
from api.nodes import repository
from api.nodes.board import Board
from api.nodes.schemas import NodeRead, State, UnregisteredRead
from api.nodes.standing import read_node, standing_of
from api.publish.news import News
from api.publish.service import Publisher

MAX_DOWNLOADS = 64
"""Files on their way at once: the requests of people have room beside them."""
MAX_DOWNLOADS_EACH = 2
"""And of one node: it takes one after the other, and one that was broken off may not have ended yet."""
JOURNAL_BURST, JOURNAL_INTERVAL_S = 2000, 6.0
"""Entries of one node's journal that go on record at once, and how often one more. A node keeps what is not taken."""


class Downloads:
    """Counts files on their way to nodes, up to a bound for each and one for all."""

    def __init__(self, most: int = MAX_DOWNLOADS, most_each: int = MAX_DOWNLOADS_EACH) -> None:
        self._most, self._most_each = most, most_each
        self._lock = Lock()
        self._now: Counter[int] = Counter()

    def begin(self, number: int) -> bool:
        """Take a place for a node, if there is one."""
        with self._lock:
            if self._now.total() >= self._most or self._now[number] >= self._most_each:
                return False
            self._now[number] += 1
            return True

    def end(self, number: int) -> None:
        """Give it back."""
        with self._lock:
            self._now[number] -= 1
            # Without those at zero.
            self._now = +self._now


@dataclass(slots=True)
class _Seen:
    """Queries from one prefix, when the last came, and the nodes that had them."""

    queries: int = 0
    seen_s: float = 0.0
    nodes: set[str] = field(default_factory=set)


class Fleet:
    """What nodes are given and what they reported."""

    def __init__(self, database: Database, publisher: Publisher, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.publisher = publisher
        self.board = Board(database, clock)
        self.downloads = Downloads()
        self._lock = Lock()
        self._journals: dict[int, Bucket] = {}

    @property
    def news(self) -> News:
        """The newest snapshot, and who waits for the next one."""
        return self.publisher.news

    def read(self, row: NodeRow) -> NodeRead:
        """A node as it stands now."""
        return read_node(row, self.board.heard(row.number), self.news, self._clock())

    def state(self, row: NodeRow) -> State:
        """The state of a node now."""
        return standing_of(row, self.board.heard(row.number), self.news, self._clock()).state

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
            found = Counter(map(self.state, repository.all_of(session)))
        return {state: found[state] for state in get_args(State)}

    def unregistered(self, rows: Sequence[NodeRow]) -> list[UnregisteredRead]:
        """The prefixes in no range that these nodes had queries from, by site; the last seen come first."""
        seen: dict[tuple[str, str], _Seen] = {}
        for row in rows:
            for stranger, seen_s in self.board.strangers(row.number):
                one = seen.setdefault((row.site, stranger.prefix), _Seen())
                one.queries += stranger.queries
                one.seen_s = max(one.seen_s, seen_s)
                one.nodes.add(row.name)
        newest = sorted(seen.items(), key=lambda item: (-int(item[1].seen_s), item[0]))
        return [
            UnregisteredRead(
                site=site,
                prefix=prefix,
                queries=one.queries,
                seen=moment_text(max(0, int(one.seen_s))),
                nodes=sorted(one.nodes),
            )
            for (site, prefix), one in newest
        ]

    def start(self) -> None:
        """Start writing reports down."""
        self.board.start()

    def stop(self) -> None:
        """Stop it."""
        self.board.stop()
