"""Record the queries of captured ranges, in memory of limited size. Nothing else keeps a client with a name."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from dnsfilter.engine.clock import Clock
from dnsfilter.engine.interface import Capture, Captured, CapturedQuery, Drop, Miss, Reply, ReportAnswer, Update
from dnsfilter.errors import MalformedMessage, SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.checker import check_message
from dnsfilter.wire.iana import OptionCode, rcode_text, type_text
from dnsfilter.wire.names import name_text
from dnsfilter.wire.query import Query, Question, parse_query

if TYPE_CHECKING:
    from dnsfilter.engine.slow_path.query_policy import QueryPolicy
    from dnsfilter.snapshot.reader import Snapshot

ROOM = 100_000
"""Bytes of queries, as messages to the supervisor, that are kept until they are taken."""
QUERY_BYTES = 150
"""Bytes of one query in a message, without its name."""
MOST_KNOWN = 4_096
"""Clients whose capture is remembered, because to find it takes longer than all else."""
_Watched: TypeAlias = tuple[int, int, Capture]
"""Mask and network as numbers, and the capture."""


class Recorder:
    """The queries of the captured ranges. A client is in the range that policy finds for it, not in a wider one."""

    def __init__(self, policy: "QueryPolicy", clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._watched: tuple[_Watched, ...] = ()
        self._known: dict[bytes, Capture | None] = {}
        """The captures of clients by `_known_by`, the snapshot in use at the last query."""
        self._known_by: Snapshot | None = None
        self._queries: list[CapturedQuery] = []
        self._dropped = Counter[int]()
        self._bytes = 0
        self.report: ReportAnswer | None = None
        """Takes the client and the reply of each query, for resolved-only egress."""

    @property
    def is_needed(self) -> bool:
        """Return whether there is a capture, or somebody takes the replies."""
        return bool(self._watched) or self.report is not None

    def capture(self, captures: Sequence[Capture]) -> None:
        """Record for these captures, and for no others."""
        self._watched = tuple(_watched(each) for each in captures)
        self._known_by, self._known = None, {}

    def take(self) -> Captured:
        """Return what was recorded since the last call."""
        taken = Captured(self._queries, self._dropped)
        self._queries, self._dropped, self._bytes = [], Counter(), 0
        return taken

    def decided(
        self, message: bytes, client: bytes, transport: Transport, outcome: Reply | Miss | Drop | Update
    ) -> None:
        """Record a query with its reply, or as dropped. A miss is recorded when it is answered, an update never."""
        match outcome:
            case Reply(reply):
                self.replied(client, transport, reply)
            case Drop():
                capture = self._capture_of(client)
                query = None if capture is None else parse_query(message, stream=transport.is_stream)
                if capture is not None and isinstance(query, Query):
                    self._note(capture, client, transport, query.question, None, None)

    def replied(self, client: bytes, transport: Transport, reply: bytes) -> None:
        """Record a query by its reply. A reply without a question is not recorded."""
        if self.report is not None:
            self.report(client, reply)
        capture = self._capture_of(client)
        if capture is None:
            return
        with suppress(MalformedMessage):
            answer = check_message(reply)
            error = None if answer.edns is None else answer.edns.option(OptionCode.EDE)
            ede = None if error is None else int.from_bytes(error[:2])
            self._note(capture, client, transport, answer.question, rcode_text(answer.rcode), ede)

    def dropped(self, client: bytes, transport: Transport, question: Question) -> None:
        """Record a query that gets no answer."""
        capture = self._capture_of(client)
        if capture is not None:
            self._note(capture, client, transport, question, None, None)

    def _capture_of(self, client: bytes) -> Capture | None:
        """Return the capture that the client's query is recorded for. Count the query if there is no room for it."""
        address = int.from_bytes(client)
        near = [capture for mask, network, capture in self._watched if address & mask == network]
        if not near:
            return None
        if self._known_by is not self._policy.snapshot or len(self._known) >= MOST_KNOWN:
            self._known_by, self._known = self._policy.snapshot, {}
        if client not in self._known:
            self._known[client] = next((each for each in near if self._is_in_range(each, client)), None)
        capture = self._known[client]
        if capture is None or self._clock.boot_ns() // 1_000_000 >= capture.end_ms:
            return None
        if self._bytes < ROOM:
            return capture
        self._dropped[capture.number] += 1
        return None

    def _is_in_range(self, capture: Capture, client: bytes) -> bool:
        """Return whether the client is in the range of the capture by the snapshot in use."""
        snapshot, found = self._policy.snapshot, None
        range_class = snapshot.find(client)
        with suppress(SnapshotError):
            found = snapshot.describe(client)
        return (
            range_class is not None
            and found is not None
            and str(found[0]) == capture.prefix
            and snapshot.authority(range_class) == capture.authority
        )

    def _note(
        self,
        capture: Capture,
        client: bytes,
        transport: Transport,
        question: Question,
        rcode: str | None,
        ede: int | None,
    ) -> None:
        name, wall_s = name_text(question.name), self._clock.wall_s()
        self._bytes += len(name) + QUERY_BYTES
        address, qtype = str(ip_address(client)), type_text(question.qtype)
        verdict = self._verdict(client, question, wall_s)
        self._queries.append(
            CapturedQuery(capture.number, wall_s, address, transport, name, qtype, verdict, rcode, ede)
        )

    def _verdict(self, client: bytes, question: Question, wall_s: int) -> Verdict:
        snapshot = self._policy.snapshot
        range_class = snapshot.find(client)
        if range_class is None:
            return Verdict.PASS
        at = self._policy.anchor.instant(wall_s, self._clock.boot_ns() // 1_000_000)
        with suppress(SnapshotError):  # the engine has decided already, and a line may not cost an answer
            return snapshot.judge(range_class, snapshot.match(question.name), at, [question.name]).verdict
        return Verdict.PASS


def _watched(capture: Capture) -> _Watched:
    prefix = ip_network(capture.prefix)
    return int(prefix.netmask), int(prefix.network_address), capture
