"""Compare both kinds of engine: every reply, every count and every kept answer has to be the same."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from itertools import count
from typing import Any
from unittest.mock import Mock, patch

import dns.rcode

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Clients
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import ANSWER_DURATION, CACHE_BYTES, CACHE_ENTRIES, upstream_slots
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.names import parse_name
from tests.fuzz.seeds import LABEL, QNAME, addressed
from tests.support.caches import facts, levelled
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, query, running
from tests.support.policies import NOW
from tests.support.scripted import Scripted, reply, silent

CONDITIONAL = ("10.in-addr.arpa", "corp.internal", "localhost")


@dataclass
class Both:
    """The reference engine and its twin. A call asks both one query, and gives what they have said alike."""

    rigs: tuple[Rig, Rig]
    _labels: Iterator[int] = field(default_factory=lambda: count(1))

    def __call__(
        self, octets: bytes, client: str = GHENT, transport: Transport = Transport.UDP, *, later_ms: int = 0
    ) -> object:
        expected, found = (_said(rig, octets, client, transport, later_ms) for rig in self.rigs)
        assert found == expected
        return expected[0]

    def swap(self, snapshot: Snapshot, since_ms: int | None = None) -> None:
        """Put a snapshot in force for both."""
        for rig in self.rigs:
            rig.engine.swap(snapshot, since_ms)

    def put(self, key: CacheKey, answer: Answer, targets: Sequence[bytes] = (), ad: bool = False) -> None:
        """Have both keep an answer as of now."""
        for rig in self.rigs:
            rig.engine._cache.put(key, answer, tuple(targets), ad, rig.clock.boot_ms)  # type: ignore[attr-defined]

    def answered(self, message: bytes, qtype: int, do: bool = False, client: str = MECHELEN) -> "Answered":
        """What both make of an answer to a new question, which is about `QNAME` but for the label of that name."""
        label = b"\x08n" + b"%07d" % next(self._labels)
        expected, found = (_answer(rig, message, label, qtype, do, client) for rig in self.rigs)
        assert replace(found, handed=True) == replace(expected, handed=True)
        return found


@dataclass(frozen=True, slots=True)
class Answered:
    """What can be seen of an answer: what the client hears, what is kept, what is asked on, and all counts."""

    heard: bytes | None
    kept: list[object] | None
    streams: int
    asked_on: list[bytes]
    counts: object
    handed: bool
    """Whether the slow path had to look at it."""


def _answer(rig: Rig, message: bytes, label: bytes, qtype: int, do: bool, client: str) -> Answered:
    name = QNAME.replace(LABEL[1:].decode(), label[1:].decode())
    wire = query(name, qtype, do=do, id=7)
    upstream, engine = rig.upstream, rig.engine
    upstream.asked.clear()
    queries = upstream_slots(1)[0].queries
    before = rig.counters.slots[queries]
    sender = rig.send(wire, client)

    def settle() -> None:
        """Turn until upstreams have been asked all that was counted; a busy kernel delivers when it can."""
        rig.until(lambda: _if(rig.counters.slots[queries] - before == len(upstream.asked) + len(rig.truncated)))
        rig.settle()

    rig.until(lambda: _if(any(label in asked.message for asked in upstream.asked)))
    path: Any = vars(engine).get("_slow_path")
    with patch.object(path, "arrived", wraps=path.arrived) if path else nullcontext(Mock()) as arrived:
        counted = list(rig.counters.slots)
        (asked,) = [asked for asked in upstream.asked if label in asked.message]
        upstream.say(asked, addressed(message, asked.message, label))
        rig.until(lambda: _if(list(rig.counters.slots) != counted))
        settle()
        handed = arrived.called
    key = CacheKey(0, parse_name(name), qtype, 1, do, False)
    entry = engine._cache.get(key, rig.clock.boot_ms)  # type: ignore[attr-defined]
    kept = None if entry is None else [without_id(entry.answer), *(facts(entry) or ())[1:]]
    asked_on = sorted(later.message[2:] for later in upstream.asked if later is not asked)
    heard = None if engine.in_hand() else rig.until(sender.receive)
    seen = Answered(heard, kept, len(rig.truncated), asked_on, _counts(rig), handed)
    _end(rig)
    sender.close()
    return seen


def _end(rig: Rig) -> None:
    """Let the question fail if it is still on its way."""
    rig.complete(lambda _upstream, _message: None)

    def ended() -> bytes | None:
        for asked in rig.upstream.asked if rig.engine.in_hand() else ():
            rig.upstream.say(asked, reply(asked, rcode=dns.rcode.SERVFAIL))
        return _if(not rig.engine.in_hand())

    rig.until(ended)
    rig.settle()


def _if(found: bool) -> bytes | None:
    return b"" if found else None


def without_id(answer: Answer) -> object:
    """Return the answer as a cache may keep it, without the id that it came under."""
    found = levelled(answer)
    return replace(found, id=0, message=bytes(2) + found.message[2:])


def _said(rig: Rig, octets: bytes, client: str, transport: Transport, later_ms: int) -> tuple[object, ...]:
    at_s, at_ms = rig.clock.now_s + later_ms // 1000, rig.clock.boot_ms + later_ms
    try:
        said: object = rig.engine.answer(octets, ip_address(client).packed, transport, at_s, at_ms)
    except SnapshotError as error:
        said = type(error)
    return said, _counts(rig)


def _counts(rig: Rig) -> tuple[list[int], list[int]]:
    """All counts, but for the room that entries take, and how long replies took."""
    slots = list(rig.counters.slots)
    for free in (CACHE_BYTES, CACHE_ENTRIES, *range(ANSWER_DURATION.first, ANSWER_DURATION.sum + 1)):
        slots[free] = 0
    return slots, list(rig.counters.policy)


@contextmanager
def both(
    drawn: Policy, *, conditional: bool = False, clients: Clients | None = None, wall_s: int = NOW, **settings: Any
) -> Iterator[Both]:
    """Both kinds with one policy, and with upstreams that say nothing of themselves."""

    def start(kind: str) -> Any:
        upstreams = [Scripted(silent) for _ in range(2 if conditional else 1)]
        zones = [ZoneTo(name, upstreams[1]) for name in CONDITIONAL] if conditional else []
        return running(kind, drawn, *upstreams, conditional=zones, clients=clients, wall_s=wall_s, **settings)

    with start("reference") as reference, start("compiled") as twin:
        yield Both((reference, twin))
