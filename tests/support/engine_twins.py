"""Drive two engines of different kinds through the same steps, and observe both after each step."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from itertools import product
from typing import TypeAlias, assert_never
from zlib import crc32

import dns.message
import dns.rdatatype

from dnsfilter.cache.answer_cache import Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.engine.unregistered_counts import Noted
from dnsfilter.policy.model import Policy
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.recent_names import (
    LEFT,
    NAMES_WORDS,
    RING_WORDS,
    RecentName,
    boot_minute,
    read_names,
    refresh,
)
from dnsfilter.telemetry.slots import ANSWER_DURATION, CACHE_BYTES, CACHE_ENTRIES
from dnsfilter.wire.query import Query, parse_query, read_question
from tests.support.caches import facts
from tests.support.engines import Client, Rig
from tests.support.scripted import Asked
from tests.support.upstream_answers import Speech, spoken

MOST_MS = 45_000
"""How far a sequence moves the clock, which must stay behind the machine's own."""
LARGEST_DATAGRAM = 65_000
COOKIE = b"\0\x0a"
EMPTY_OPT = b"\0\0\x29"
ROUNDS = 3
"""How often upstreams repeat an answer to follow-up queries."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: through the listening socket, or with `transport` through `answer` and `forward`."""

    client: str
    message: bytes
    transport: Transport | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Clients ask at the same time. With `answer`, upstreams answer the resulting queries, else they stay silent."""

    questions: tuple[Question, ...]
    answer: Speech | bytes | None


@dataclass(frozen=True, slots=True)
class Speak:
    """An upstream answers one of the earlier queries, perhaps late or again.

    With `elsewhere`, it sends from another port.
    """

    answer: Speech | bytes
    whom: int
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """The streams that the engine wants deliver this answer, or nothing."""

    answer: Speech | bytes | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Another policy takes effect, made some seconds after the first."""

    policy: Policy
    later_s: int


# No upstream goes away. Which socket sent a question, and so gets an ICMP error, depends on chance.
Step: TypeAlias = Ask | Speak | Stream | Wait | Swap


@dataclass(frozen=True, slots=True)
class Seen:
    """What an engine did in a step, apart from ids and ports."""

    outcomes: list[object]
    heard: list[tuple[int, bytes]]
    """What each client received: the number of the question, and the reply."""
    asked: list[tuple[int, bytes]]
    """Queries to upstreams by datagram, without id and cookie. The order of those that time out together is free."""
    by_stream: list[tuple[int, bytes]]
    """The server, and the query to send to it by stream."""
    slots: list[int]
    policy: list[int]
    in_hand: int
    unregistered: list[Noted]
    """The networks in no range that asked, by prefix."""
    names: list[tuple[str, str, bytes]]
    """The names that were noted, until too many came in one step: their order is free if they time out together."""


@dataclass(slots=True)
class Course:
    """One of the two engines, with all queries that it sent."""

    rig: Rig
    made_s: int
    spent_ms: int = 0
    sockets: dict[int, Client] = field(default_factory=dict)
    tickets: dict[int, int] = field(default_factory=dict)
    keys: set[tuple[bytes, int]] = field(default_factory=set)
    asked: list[tuple[int, Asked]] = field(default_factory=list)
    number: int = 0
    has_lost_names: bool = False

    def take(self, step: Step) -> Seen:
        """Carry out a step. Return what was observed."""
        before = len(self.asked)
        streams = len(self.rig.by_stream)
        refresh(self.rig.counters.names, boot_minute(self.rig.clock.boot_ns()))
        outcomes: list[object] = []
        match step:
            case Ask(questions, answer):
                outcomes = [self._ask(question) for question in questions]
                self.rig.settle()
                self._answer_all(answer)
            case Speak(answer, whom, elsewhere):
                self._speak(answer, whom, elsewhere)
            case Stream(answer):
                self._complete(answer)
                streams = 0
            case Wait(milliseconds):
                self._wait(milliseconds)
            case Swap(policy, later_s):
                self.rig.swap(policy, self.made_s + later_s)
            case _:
                assert_never(step)
        self.rig.settle()
        return self._seen(outcomes, before, streams)

    def _ask(self, question: Question) -> object:
        self.number += 1
        query = parse_query(question.message)
        if isinstance(query, Query):
            self.keys.add((query.question.name, query.question.qtype))
        if question.transport is None:
            self.sockets[self.number] = self.rig.send(question.message, question.client)
            return None
        at_s, at_ms = self.rig.clock.now_s, self.rig.clock.boot_ms
        client = ip_address(question.client).packed
        outcome = self.rig.engine.answer(question.message, client, question.transport, at_s, at_ms)
        match outcome:
            case Miss():
                self.tickets[self.rig.forward(outcome)] = self.number
            case Reply() | Drop():
                pass
        return outcome

    def _answer_all(self, answer: Speech | bytes | None) -> None:
        """Answer all new queries to upstreams, and the queries that follow from the answers."""
        for _ in range(ROUNDS if answer is not None else 0):
            for index, asked in self._note_asked():
                self._say(index, asked, answer)

    def _note_asked(self) -> list[tuple[int, Asked]]:
        """Return the queries to upstreams since the last call."""
        new = [(index, asked) for index, upstream in enumerate(self.rig.upstreams) for asked in upstream.asked]
        for upstream in self.rig.upstreams:
            upstream.asked.clear()
        new.sort(key=lambda one: (one[0], _lasting(one[1].message)))
        self.asked += new
        return new

    def _speak(self, answer: Speech | bytes, whom: int, elsewhere: bool) -> None:
        if self.asked:
            self._say(*self.asked[-1 - whom % len(self.asked)], answer, elsewhere=elsewhere)

    def _say(self, index: int, asked: Asked, answer: Speech | bytes | None, *, elsewhere: bool = False) -> None:
        upstream = self.rig.upstreams[index]
        message = _message(answer, asked)
        if message is None or len(message) > LARGEST_DATAGRAM:
            return
        message = _with_some_cookie(message, asked.message)
        (upstream.say_from_elsewhere if elsewhere else upstream.say)(asked, message)
        self.rig.settle()

    def _complete(self, answer: Speech | bytes | None) -> None:
        def said(_upstream: object, message: bytes) -> bytes | None:
            return _message(answer, asked_of(message))

        self.rig.complete(said)

    def _wait(self, milliseconds: int) -> None:
        if self.spent_ms + milliseconds <= MOST_MS:
            self.spent_ms += milliseconds
            self.rig.pass_time(milliseconds)

    def _seen(self, outcomes: list[object], before: int, streams: int) -> Seen:
        rig = self.rig
        self._note_asked()
        slots = list(rig.counters.slots)
        # These values differ by kind of engine. Entries take different room. Expired entries go when they are looked
        # at, even for a question that is refused. Only a share of the replies is timed.
        for free in (CACHE_BYTES, CACHE_ENTRIES, *range(ANSWER_DURATION.first, ANSWER_DURATION.sum + 1)):
            slots[free] = 0
        self.has_lost_names |= not all(rig.counters.names[LEFT:NAMES_WORDS:RING_WORDS])
        return Seen(
            outcomes,
            self._heard(),
            [(index, _lasting(asked.message)) for index, asked in self.asked[before:]],
            [(event.server, event.message[2:]) for event in rig.by_stream[streams:]],
            slots,
            list(rig.counters.policy),
            rig.engine.pending_count(),
            sorted(rig.engine.take_unregistered(), key=lambda one: one.prefix),
            sorted((one.outcome, one.authority, one.name) for one in self._names()),
        )

    def _names(self) -> list[RecentName]:
        if self.has_lost_names:
            return []
        return read_names(self.rig.counters.names, boot_minute(self.rig.clock.boot_ns()))

    def _heard(self) -> list[tuple[int, bytes]]:
        heard = [(self.tickets[ticket], message) for ticket, message in self.rig.answered.items()]
        self.rig.answered.clear()
        for number, socket in self.sockets.items():
            while (message := socket.receive()) is not None:
                heard.append((number, message))
        return sorted(heard)

    def kept(self) -> dict[CacheKey, object]:
        """Return all that the cache holds about the names asked for, without the ids of the answers."""
        cache = self.rig.engine._cache  # type: ignore[attr-defined]
        now_ms = self.rig.clock.boot_ms
        found: dict[CacheKey, object] = {}
        for view, (name, qtype), do, cd in product((0, 1), sorted(self.keys), (False, True), (False, True)):
            key = CacheKey(view, name, qtype, 1, do, cd)
            entry = cache.get(key, now_ms)
            if entry is not None:
                answer = replace(entry.answer, message=bytes(2) + entry.answer.message[2:], id=0)
                found[key] = facts(Entry(answer, entry.stored_ms, entry.expires_ms, entry.targets, entry.ad, 0))
        return found


def asked_of(message: bytes) -> Asked:
    """Return a query by stream as an upstream sees it."""
    question = dns.message.from_wire(message).question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    return Asked(message, name, dns.rdatatype.to_text(question.rdtype), True, ("", 0))


def _message(answer: Speech | bytes | None, asked: Asked) -> bytes | None:
    """Return the message that answers one query. Bytes are an answer with id 0."""
    if answer is None:
        return None
    if isinstance(answer, Speech):
        return spoken(answer, asked)
    number = int.from_bytes(answer[:2], "big") ^ asked.id
    return number.to_bytes(2, "big")[: len(answer)] + answer[2:]


def _cookie_of(query: bytes) -> tuple[int, int]:
    """Return where the cookie in a query of ours begins and ends: the only option of its only OPT."""
    end = read_question(query)[1]
    has_cookie = query[11] == 1 and query[end + 11 : end + 13] == COOKIE
    return (end + 15, len(query)) if has_cookie else (len(query), len(query))


def _lasting(query: bytes) -> bytes:
    """Return a query without its id and with zeros for its cookie, which each engine draws."""
    start, end = _cookie_of(query)
    return query[2:start] + bytes(end - start)


def _with_some_cookie(message: bytes, query: bytes) -> bytes:
    """Return an answer with the cookie that its bytes choose, if its empty OPT is last and the query has a cookie."""
    start, end = _cookie_of(query)
    if start == end or message[11:12] in (b"", b"\0") or message[-11:-8] != EMPTY_OPT or message[-2:] != bytes(2):
        return message
    client, chosen = query[start : start + 8], crc32(message[2:]) % 8
    wrong = bytes([client[0] ^ 1]) + client[1:] + bytes(8)
    cookie = {0: b"", 1: client, 2: wrong, 3: client + bytes(3)}.get(chosen, client + bytes([chosen]) * 16)
    if not cookie:
        return message
    if chosen == 7:  # BADCOOKIE: 7 in the header, 1 in the OPT
        message = message[:3] + bytes([message[3] & 0xF0 | 7]) + message[4:-6] + b"\1" + message[-5:]
    option = COOKIE + len(cookie).to_bytes(2, "big") + cookie
    return message[:-2] + len(option).to_bytes(2, "big") + option
