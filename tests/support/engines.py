"""Engines under test: any implementation of the protocol, on real loopback sockets and with a clock that tests set.

`KINDS` are the implementations. A test that takes an engine from here does not depend on which one it is.
"""

import os
import secrets
import select
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import TypeAlias

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass

from dnsfilter.config.node_config import Clients, Limits, LocalRecord, Rate, Rebinding, Strategy, Unregistered, Zone
from dnsfilter.engine.choice import EngineKind, engine_class, why_not_compiled
from dnsfilter.engine.clock import EngineClock
from dnsfilter.engine.interface import Answered, AskStream, Drop, Engine, Event, Miss, ProbeStream, Reply, Update
from dnsfilter.engine.udp_listener import UdpListener
from dnsfilter.policy.model import DEFAULT_SITE, Instant, Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Bypass, Failure, Outcome, QueryType, ResponseCode, Transport
from dnsfilter.telemetry.policy_words import BanCount, PolicyKind, bypass_word, policy_word
from dnsfilter.telemetry.slots import QUERY, QUERY_TYPE, RESPONSE
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS
from dnsfilter.upstream.rebinding import mark_for
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.names import parse_name
from tests.support.policies import NOW
from tests.support.scripted import Scripted

_ALL_HERE = why_not_compiled() is None or os.environ.get("CI") == "true"
KINDS = ("reference", "compiled") if _ALL_HERE else ("reference",)
"""Every available implementation of `Engine`. With CI=true, all implementations must be available."""

NO_RATES = Limits(clients=Rate(0, 0), unregistered=Rate(0, 0))
"""No rate limits. While a test's clock stands still, the test may ask more than a client could."""
COOKIE_SECRET = bytes(range(32))
PATIENCE_S = 60.0
"""How long a test waits for what is certain to come, even on a busy machine."""
GHENT, MECHELEN, DIEST, BOUND, UNREGISTERED = "127.0.5.10", "127.0.7.10", "127.0.8.10", "127.0.14.10", "127.0.99.10"
"""Clients, by the ranges that tests give them. UNREGISTERED is in no range."""

Messages: TypeAlias = Sequence[dns.message.Message]


class FakeClock:
    """A clock that stands still until a test moves it. Boot time begins at one second.

    Alarms are real descriptors, which know only the machine's clock. So each is due at once, and again after each poll.
    """

    def __init__(self, wall_s: Instant = NOW) -> None:
        self.now_s = wall_s
        self.now_ns = 1_000_000_000

    def wall_s(self) -> Instant:
        return self.now_s

    def boot_ns(self) -> int:
        return self.now_ns

    def alarm_ms(self, _at_ms: int) -> int:
        return 0

    def advance(self, milliseconds: int) -> None:
        """Advance both clocks."""
        self.now_ns += milliseconds * 1_000_000
        self.now_s += milliseconds // 1000

    @property
    def boot_ms(self) -> int:
        return self.now_ns // 1_000_000


@lru_cache(maxsize=16)
def snapshot_of(policy: Policy, made_s: Instant = NOW) -> Snapshot:
    """Return the compiled policy at the default site. Engines of both kinds and later tests share it."""
    compiled = compile_policy(policy, made_s)
    files = (compiled.names.data, compiled.ranges.data, compiled.rules.data)
    return Snapshot.open(compiled.manifest, *files, DEFAULT_SITE)


def query(
    name: str,
    qtype: str | int = "A",
    qclass: str | int = "IN",
    *,
    rd: bool = True,
    edns: int | bool = 0,
    payload: int = 1232,
    do: bool = False,
    cd: bool = False,
    ad: bool = False,
    options: Sequence[dns.edns.Option] | None = None,
    id: int | None = None,  # noqa: A002 - the field's own name
) -> bytes:
    """Return a client's query. `edns=False` sends no OPT."""
    flags = rd * dns.flags.RD | cd * dns.flags.CD | ad * dns.flags.AD
    if options:
        made = _query(name, qtype, qclass, flags, edns, payload, do, options)
    else:
        made = _bare_query(name, qtype, qclass, flags, edns, payload, do)
    return (secrets.randbits(16) if id is None else id).to_bytes(2, "big") + made[2:]


def _query(
    name: str,
    qtype: str | int,
    qclass: str | int,
    flags: int,
    edns: int | bool,
    payload: int,
    do: bool,
    options: Sequence[dns.edns.Option] = (),
) -> bytes:
    asked = dns.message.make_query(
        name,
        dns.rdatatype.RdataType.make(qtype),
        dns.rdataclass.RdataClass.make(qclass),
        use_edns=edns,
        want_dnssec=do,
        payload=payload,
        options=list(options) if options else None,
        id=0,
    )
    asked.flags = dns.flags.Flag(flags)
    return asked.to_wire()


_bare_query = lru_cache(maxsize=4096, typed=True)(_query)
"""The same query without options, cached: most tests ask the same few questions."""


@lru_cache(maxsize=64)
def parsed(message: bytes) -> dns.message.Message:
    """Return the message for reading. Equal replies share one object: parsing takes longer than making a reply."""
    return dns.message.from_wire(message)


def edes(message: dns.message.Message) -> list[tuple[int, str]]:
    """Return the extended errors of a message, in order: code and text. The text is empty if there is none."""
    found = (option for option in message.options if isinstance(option, dns.edns.EDEOption))
    return [(int(option.code), option.text or "") for option in found]


def data(message: dns.message.Message) -> list[str]:
    """Return the answer section, one string for each record: type and data."""
    return [f"{dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}" for rrset in message.answer for rdata in rrset]


def ttls(message: dns.message.Message) -> list[int]:
    """Return the TTL of every record set of the answer and authority sections, in order."""
    return [rrset.ttl for section in (message.answer, message.authority) for rrset in section]


class Client:
    """A UDP client with its own address. The constructor sends its query."""

    def __init__(self, address: str, server: tuple[str, int], message: bytes) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._socket.connect(server)
        self._socket.setblocking(False)
        self.send(message)

    def send(self, message: bytes) -> None:
        """Send another query."""
        self._socket.send(message)

    def receive(self) -> bytes | None:
        """Return the next reply, or None if none has arrived."""
        try:
            return self._socket.recv(65535)
        except (BlockingIOError, ConnectionError):
            return None

    def close(self) -> None:
        self._socket.close()


class StreamClient:
    """A TCP client with its own address. The constructor sends its query."""

    def __init__(self, address: str, server: tuple[str, int], message: bytes) -> None:
        self._socket = socket.create_connection(server, PATIENCE_S, (address, 0))
        self._socket.setblocking(False)
        self._received = b""
        self.send(message)

    def send(self, message: bytes) -> None:
        """Send another query."""
        self._socket.send(len(message).to_bytes(2, "big") + message)

    def receive(self) -> bytes | None:
        """Return the next reply, or None if it is not complete."""
        with suppress(BlockingIOError):
            self._received += self._socket.recv(65535)
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < max(end, 3):
            return None
        found, self._received = self._received[2:end], self._received[end:]
        return found

    def abort(self) -> None:
        """Reset the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def is_closed(self) -> bool:
        """Return whether the server has closed the connection."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        self._socket.close()


class Rig:
    """An engine with clients on one side and scripted upstreams on the other. Tests move it step by step."""

    def __init__(
        self,
        engine: Engine,
        clock: FakeClock,
        counters: CounterBlock,
        upstreams: Sequence[Scripted],
        server: tuple[str, int],
        snapshot: Snapshot,
        stack: ExitStack,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.counters = counters
        self.upstreams = upstreams
        self.server = server
        self.snapshot = snapshot
        self.by_stream: list[AskStream] = []
        self.probes: list[ProbeStream] = []
        self.answered: dict[int, bytes] = {}
        self._stack = stack
        self._tickets = count(1)
        self._streams: socket.socket | None = None

    @property
    def upstream(self) -> Scripted:
        """Return the first upstream."""
        return self.upstreams[0]

    @property
    def forwarded(self) -> list[tuple[str, str]]:
        """Return every question that any upstream was asked: name and type."""
        return [(asked.name, asked.qtype) for upstream in self.upstreams for asked in upstream.asked]

    # Asking.

    def judge(
        self, message: bytes, client: str = GHENT, transport: Transport = Transport.UDP, *, later_s: int = 0
    ) -> Reply | Miss | Drop | Update:
        """Return what `answer` returns, `later_s` seconds from now by both clocks."""
        at_s, at_ms = self.clock.now_s + later_s, self.clock.boot_ms + later_s * 1000
        return self.engine.answer(message, ip_address(client).packed, transport, at_s, at_ms)

    def at_once(
        self, message: bytes, client: str = GHENT, transport: Transport = Transport.UDP, *, later_s: int = 0
    ) -> dns.message.Message:
        """Return the reply to a query that needs no upstream."""
        outcome = self.judge(message, client, transport, later_s=later_s)
        assert isinstance(outcome, Reply), outcome
        return parsed(outcome.message)

    def send(self, message: bytes, client: str = GHENT) -> Client:
        """Send a datagram from a client's address."""
        sender = Client(client, self.server, message)
        self._stack.callback(sender.close)
        return sender

    def connect(self, message: bytes, client: str = GHENT) -> StreamClient:
        """Send a query over TCP from a client's address, to an engine that serves streams."""
        assert self.engine.streams is not None
        if self._streams is None:
            self._streams = self._stack.enter_context(socket.create_server((self.server[0], 0)))
            with suppress(StopIteration):  # it waits for nothing
                self.engine.streams.listen(self._streams).__await__().send(None)
        asker = StreamClient(client, (self.server[0], self._streams.getsockname()[1]), message)
        self._stack.callback(asker.close)
        return asker

    def wait(self, client: Client | StreamClient) -> dns.message.Message:
        """Move engine and upstreams until the client has its reply. Return the reply."""
        return parsed(self.until(client.receive))

    def _wait_and_close(self, client: StreamClient) -> dns.message.Message:
        """Do what `wait` does, and close the connection, of which a client may have few."""
        found = self.wait(client)
        client.close()
        return found

    def begin(
        self, message: bytes, client: str = GHENT, transport: Transport = Transport.UDP
    ) -> Callable[[], dns.message.Message]:
        """Ask through a socket, or through `answer` and `forward`. Return a function that waits for the reply."""
        if transport is Transport.UDP:
            sender = self.send(message, client)
            return lambda: self.wait(sender)
        if transport is Transport.TCP and self.engine.streams is not None:
            return partial(self._wait_and_close, self.connect(message, client))
        outcome = self.judge(message, client, transport)
        match outcome:
            case Reply(found):
                return lambda: parsed(found)
            case Miss():
                ticket = self.forward(outcome)
                return lambda: parsed(self.until(lambda: self.answered.pop(ticket, None)))
            case Drop() | Update():
                raise AssertionError(f"no answer: {outcome}")

    def ask(self, message: bytes, client: str = GHENT, transport: Transport = Transport.UDP) -> dns.message.Message:
        """Return the reply to one query. Upstreams act as scripted."""
        return self.begin(message, client, transport)()

    def forward(self, miss: Miss) -> int:
        """Hand a stream client's miss to the engine. Return the ticket under which `answered` will have the reply."""
        ticket = next(self._tickets)
        self.take(self.engine.forward(miss, ticket))
        return ticket

    # Moving.

    def move(self) -> int:
        """Take one turn of engine and upstreams. Return the number of datagrams and events."""
        events = self.engine.poll(8)
        self.take(events)
        return len(events) + sum(upstream.serve() for upstream in self.upstreams)

    def settle(self) -> None:
        """Take turns until nothing happens any more."""
        quiet = 0
        while quiet < 3:
            quiet = 0 if self.move() else quiet + 1

    def until(self, found: "Callable[[], bytes | None]") -> bytes:
        """Take turns until `found` returns a result. Raise AssertionError if it never does."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            moved = self.move()
            result = found()
            if result is not None:
                return result
            if not moved:
                waiting = [upstream.fileno() for upstream in self.upstreams if upstream.fileno() >= 0]
                select.select(waiting, [], [], 0.001)
        raise AssertionError(f"no reply; upstreams were asked {self.forwarded}")

    def until_asked(self, number: int, upstream: Scripted | None = None) -> None:
        """Take turns until an upstream, by default the first, was asked `number` times."""
        asked = (upstream or self.upstream).asked
        self.until(lambda: b"" if len(asked) >= number else None)

    def complete(
        self,
        message: Callable[[Scripted, bytes], bytes | None] = Scripted.by_stream,
        *,
        failure: Failure | None = Failure.UNREACHABLE,
    ) -> None:
        """Answer the queries that the engine wants to send by stream."""
        events, self.by_stream = self.by_stream, []
        for event in events:
            answer = message(self.upstreams[event.server], event.message)
            self.take(self.engine.complete(event.exchange, answer, failure=failure))

    def pass_time(self, milliseconds: int) -> None:
        """Advance the clock and let the engine react."""
        self.clock.advance(milliseconds)
        self.settle()

    def swap(self, policy: Policy, made_s: Instant = NOW) -> None:
        """Put another policy in force."""
        self.snapshot = snapshot_of(policy, made_s)
        self.engine.swap(self.snapshot)

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case AskStream():
                    self.by_stream.append(event)
                case ProbeStream():
                    self.probes.append(event)
                case Answered(ticket, message):
                    assert ticket not in self.answered
                    self.answered[ticket] = message

    # Counting.

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Return how many queries had each outcome, by transport. Leave out outcomes without queries."""
        found = {(t.value, o.value): self.counters.slots[QUERY[t][o]] for t in Transport for o in Outcome}
        return {key: number for key, number in found.items() if number}

    def types(self) -> dict[str, int]:
        """Return the well-formed queries by type. Leave out types without queries."""
        found = {kind.value: self.counters.slots[QUERY_TYPE[kind]] for kind in QueryType}
        return {key: number for key, number in found.items() if number}

    def responses(self) -> dict[str, int]:
        """Return the replies by response code. Leave out codes without replies."""
        found = {code.value: self.counters.slots[RESPONSE[code]] for code in ResponseCode}
        return {key: number for key, number in found.items() if number}

    def pairs(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Return the refused, monitored and exempted queries by authority and service, under the policy in force."""
        counts = self.counters.unreleased()[-1].counts
        return {pair: _three(counts, policy_word(number, 0)) for number, pair in enumerate(self.snapshot.pairs)}

    def bans(self) -> dict[BanCount, tuple[int, int, int]]:
        """Return the refused, monitored and exempted queries by ban count, under the policy in force."""
        counts, words = self.counters.unreleased()[-1].counts, self.snapshot.words
        return {each: _three(counts, words.first_ban + policy_word(n, 0)) for n, each in enumerate(words.bans)}

    def bypass(self) -> dict[tuple[str, str], int]:
        """Return the bypass attempts by authority and kind that are not 0, under the policy in force."""
        counts, words = self.counters.unreleased()[-1].counts, self.snapshot.words
        found = {
            (authority, kind.value): counts[words.first_bypass + bypass_word(number, index)]
            for number, authority in enumerate(words.bypass)
            for index, kind in enumerate(Bypass)
        }
        return {key: number for key, number in found.items() if number}


def _three(counts: Sequence[int], first: int) -> tuple[int, int, int]:
    refused, monitored, exempted = (counts[first + kind] for kind in PolicyKind)
    return refused, monitored, exempted


@dataclass(frozen=True, slots=True)
class ZoneTo:
    """A conditional zone that goes to one of the scripted upstreams."""

    suffix: str
    upstream: Scripted
    vary_case: bool = False
    cookies: bool = False


def make_engine(
    kind: str,
    *,
    listeners: Sequence[UdpListener],
    zones: Zones,
    cache_bytes: int,
    stale_s: int,
    prefetch: bool,
    rebinding: Rebinding,
    clients: Clients,
    limits: Limits,
    trust_ad: bool,
    longest_wait_ms: int,
    clock: EngineClock,
    counters: CounterBlock,
    snapshot: Snapshot,
) -> Engine:
    """Return an engine of that kind."""
    engine = engine_class(EngineKind(kind))
    return engine(
        listeners=listeners,
        zones=zones,
        cache=engine.make_cache(cache_bytes, stale_s, prefetch, mark_for(rebinding, zones)),
        clients=clients,
        limits=limits,
        trust_ad=trust_ad,
        longest_wait_ms=longest_wait_ms,
        clock=clock,
        counters=counters,
        cookie_secret=COOKIE_SECRET,
        snapshot=snapshot,
    )


@contextmanager
def running(
    kind: str,
    policy: Policy,
    *upstreams: Scripted,
    conditional: Sequence[ZoneTo] = (),
    strategy: Strategy = Strategy.ORDERED,
    vary_case: bool = False,
    cookies: bool = False,
    records: Sequence[LocalRecord] = (),
    clients: Clients | None = None,
    limits: Limits = NO_RATES,
    made_s: Instant = NOW,
    wall_s: Instant = NOW,
    cache_bytes: int = 1_000_000,
    stale_s: int = 3600,
    prefetch: bool = False,
    rebinding: Rebinding | None = None,
    trust_ad: bool = False,
    longest_wait_ms: int = LONGEST_FIRST_WAIT_MS,
    listen: str = "127.0.0.1",
    directory: Path | None = None,
    clock: FakeClock | None = None,
) -> Iterator[Rig]:
    """Run an engine of that kind between a listening socket and these upstreams. Close the upstreams at the end.

    Upstreams that a conditional zone names are no default upstreams. Clients send to `server`.
    """
    with ExitStack() as stack:
        named = [zone.upstream for zone in conditional]
        for upstream in upstreams:
            stack.enter_context(upstream)
        default = [upstream.endpoint for upstream in upstreams if upstream not in named]
        to_zones = [
            Zone(parse_name(zone.suffix), (zone.upstream.endpoint,), vary_case=zone.vary_case, cookies=zone.cookies)
            for zone in conditional
        ]
        zones = Zones(default, to_zones, records, strategy, vary_case, cookies)
        by_endpoint = {upstream.endpoint: upstream for upstream in upstreams}
        sock = stack.enter_context(
            socket.socket(socket.AF_INET6 if ":" in listen else socket.AF_INET, socket.SOCK_DGRAM)
        )
        sock.bind((listen, 0))
        path = directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        counters = CounterBlock.create(path / "counters", len(zones.endpoints), capacity=1_024)
        stack.callback(counters.close)
        clock, snapshot = clock or FakeClock(wall_s), snapshot_of(policy, made_s)
        engine = make_engine(
            kind,
            listeners=[UdpListener(sock)],
            zones=zones,
            cache_bytes=cache_bytes,
            stale_s=stale_s,
            prefetch=prefetch,
            rebinding=rebinding or Rebinding(),
            clients=clients or Clients(Unregistered.REFUSE),
            limits=limits,
            trust_ad=trust_ad,
            longest_wait_ms=longest_wait_ms,
            clock=clock,
            counters=counters,
            snapshot=snapshot,
        )
        stack.callback(engine.close)
        ordered = [by_endpoint[endpoint] for endpoint in zones.endpoints]
        yield Rig(engine, clock, counters, ordered, (listen, sock.getsockname()[1]), snapshot, stack)
