"""Compare both kinds of engine: every reply, every count and every cached answer must be the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_address
from itertools import count
from typing import Any
from unittest.mock import Mock, patch

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Clients
from dnsfilter.engine.clock import Reference
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import ANSWER_DURATION, CACHE_BYTES, CACHE_ENTRIES, upstream_slots
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.names import parse_name
from tests.fuzz.seeds import LABEL, QNAME, addressed
from tests.support.caches import facts, levelled
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, query, running
from tests.support.policies import NOW
from tests.support.scripted import Asked, Scripted, silent

CONDITIONAL = ("10.in-addr.arpa", "corp.internal", "localhost")
SERVFAIL = b"\x81\x82"
"""The flags of a SERVFAIL response."""


@dataclass
class Both:
    """The reference engine and its twin. A call sends both one query, and returns their common result."""

    rigs: tuple[Rig, Rig]
    compared: int = 0
    """Number of replies and answers that were compared."""
    _labels: Iterator[int] = field(default_factory=lambda: count(1))

    def __call__(
        self, data: bytes, client: str = GHENT, transport: Transport = Transport.UDP, *, later_ms: int = 0
    ) -> object:
        expected, found = (_result_of(rig, data, client, transport, later_ms) for rig in self.rigs)
        assert found == expected
        self.compared += 1
        return expected[0]

    def swap(self, snapshot: Snapshot, since_ms: int | None = None, reference: Reference | None = None) -> None:
        """Put a snapshot in force for both."""
        for rig in self.rigs:
            rig.engine.swap(snapshot, since_ms, reference)

    def put(self, key: CacheKey, answer: Answer, targets: Sequence[bytes] = (), ad: bool = False) -> None:
        """Put an answer into both caches, as of now."""
        for rig in self.rigs:
            rig.engine._cache.put(key, answer, tuple(targets), ad, rig.clock.boot_ms)  # type: ignore[attr-defined]

    def answered(self, message: bytes, qtype: int, do: bool = False, client: str = MECHELEN) -> "Answered":
        """Return the common result of an answer to a new question, which is `QNAME` with a new first label."""
        return self.all_answered([UpstreamAnswer(message, qtype, do)], client)[0]

    def all_answered(self, answers: "Sequence[UpstreamAnswer]", client: str = MECHELEN) -> "list[Answered]":
        """Do the same for many answers: ask all questions, then answer each in turn."""
        labels = [b"\x08n" + b"%07d" % next(self._labels) for _ in answers]
        expected, found = (_answer_all(rig, answers, labels, client) for rig in self.rigs)
        for one, other, of in zip(found.each, expected.each, answers, strict=True):
            assert replace(one, handed=True) == replace(other, handed=True), of
        assert replace(found, each=[]) == replace(expected, each=[]), answers
        self.compared += len(answers)
        return found.each


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """An upstream's answer to a new question of type `qtype`."""

    message: bytes
    qtype: int
    do: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of one answer: the client's final reply, and the cached answer before it."""

    name: str
    heard: bytes
    kept: list[Any] | None
    handed: bool
    """True if the slow path handled it."""


@dataclass(frozen=True, slots=True)
class _AllAnswered:
    """The results of some answers: each one, the further questions, and the counts until then."""

    each: list[Answered]
    streams: int
    asked_on: list[bytes]
    counts: object


def _answer_all(rig: Rig, answers: Sequence[UpstreamAnswer], labels: Sequence[bytes], client: str) -> _AllAnswered:
    names = [QNAME.replace(LABEL[1:].decode(), label[1:].decode()) for label in labels]
    upstream = rig.upstream
    upstream.asked.clear()
    before = _counts(rig)
    queries, queries_before = upstream_slots(1)[0].queries, rig.counters.slots[upstream_slots(1)[0].queries]
    asking = [_query(of.qtype, of.do).replace(LABEL, label) for of, label in zip(answers, labels, strict=True)]
    senders = [rig.send(message, client) for message in asking]
    rig.until_asked(len(answers))
    first = {asked.name: asked for asked in upstream.asked}
    addressees = [first[name] for name in names]
    handed = _deliver(
        rig,
        [
            (asked, addressed(of.message, asked.message, label))
            for asked, of, label in zip(addressees, answers, labels, strict=True)
        ],
    )
    # Poll until upstreams have received all counted questions; a busy kernel may deliver late.
    rig.until(lambda: _if(rig.counters.slots[queries] - queries_before == len(upstream.asked) + len(rig.by_stream)))
    rig.settle()
    kept = [_kept(rig, name, of) for name, of in zip(names, answers, strict=True)]
    streams, asked_on = len(rig.by_stream), sorted(asked.message[2:] for asked in upstream.asked[len(answers) :])
    counts = [[now - then for now, then in zip(*both, strict=True)] for both in zip(_counts(rig), before, strict=True)]
    _end(rig)
    heard = [rig.until(sender.receive) for sender in senders]
    for sender in senders:
        sender.close()
    each = [Answered(*one) for one in zip(names, heard, kept, handed, strict=True)]
    return _AllAnswered(each, streams, asked_on, counts)


@cache
def _query(qtype: int, do: bool) -> bytes:
    return query(QNAME, qtype, do=do, id=7)


def _deliver(rig: Rig, answers: Sequence[tuple[Asked, bytes]]) -> list[bool]:
    """Answer in turn. Return for each answer whether the slow path handled it."""
    path: Any = vars(rig.engine).get("_slow_path")
    handed = []
    with patch.object(path, "arrived", wraps=path.arrived) if path else nullcontext(Mock()) as arrived:
        for asked, message in answers:
            arrived.reset_mock()
            counted = bytes(rig.counters.slots)
            rig.upstream.say(asked, message)
            rig.until(lambda counted=counted: _if(bytes(rig.counters.slots) != counted))  # type: ignore[misc]
            handed.append(arrived.called)
    return handed


def _kept(rig: Rig, name: str, of: UpstreamAnswer) -> list[Any] | None:
    key = CacheKey(0, parse_name(name), of.qtype, 1, of.do, False)
    entry = rig.engine._cache.get(key, rig.clock.boot_ms)  # type: ignore[attr-defined]
    return None if entry is None else [without_id(entry.answer), *(facts(entry) or ())[1:]]


def _end(rig: Rig) -> None:
    """Make the pending questions fail."""
    rig.complete(lambda _upstream, _message: None)
    asked, refused = rig.upstream.asked, 0

    def end() -> bytes | None:
        nonlocal refused
        if not rig.engine.pending_count():
            return b""
        for one in asked[refused:]:
            rig.upstream.say(one, one.message[:2] + SERVFAIL + one.message[4:])
        refused = len(asked)
        return None

    rig.until(end)
    rig.settle()


def _if(found: bool) -> bytes | None:
    return b"" if found else None


def without_id(answer: Answer) -> object:
    """Return the answer as a cache may store it, with the id 0."""
    found = levelled(answer)
    return replace(found, id=0, message=bytes(2) + found.message[2:])


def _result_of(rig: Rig, data: bytes, client: str, transport: Transport, later_ms: int) -> tuple[object, ...]:
    at_s, at_ms = rig.clock.now_s + later_ms // 1000, rig.clock.boot_ms + later_ms
    try:
        result: object = rig.engine.answer(data, ip_address(client).packed, transport, at_s, at_ms)
    except SnapshotError as error:
        result = type(error)
    noted, lost = rig.engine.take_pending_names()
    return result, _counts(rig), sorted(noted), lost


def _counts(rig: Rig) -> tuple[list[int], list[int], list[int]]:
    """Return all counts, also of ranges, except the size of the cache and the durations of replies.

    An unexpected answer is late if its socket used its id before. Ids are random, so it is compared as a mismatch.
    """
    slots = list(rig.counters.slots)
    for upstream in upstream_slots(len(rig.upstreams)):
        slots[upstream.failure(Failure.MISMATCH)] += slots[upstream.failure(Failure.LATE)]
        slots[upstream.failure(Failure.LATE)] = 0
    for free in (CACHE_BYTES, CACHE_ENTRIES, *range(ANSWER_DURATION.first, ANSWER_DURATION.sum + 1)):
        slots[free] = 0
    return slots, list(rig.counters.policy), list(rig.engine._range_counts.words)  # type: ignore[attr-defined]


@contextmanager
def both(
    drawn: Policy, *, conditional: bool = False, clients: Clients | None = None, wall_s: int = NOW, **settings: Any
) -> Iterator[Both]:
    """Run both kinds with one policy and scripted upstreams. Fail if the test compares nothing."""

    def start(kind: str) -> Any:
        upstreams = [Scripted(silent) for _ in range(2 if conditional else 1)]
        zones = [ZoneTo(name, upstreams[1]) for name in CONDITIONAL] if conditional else []
        return running(kind, drawn, *upstreams, conditional=zones, clients=clients, wall_s=wall_s, **settings)

    with start("reference") as reference, start("compiled") as twin:
        pair = Both((reference, twin))
        yield pair
        assert pair.compared, "the test compares nothing"
