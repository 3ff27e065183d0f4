from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeAlias

from dnsfilter.cache.answers import Cache, Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Clients, Limits
from dnsfilter.engine.clock import Anchor, Clock
from dnsfilter.engine.interface import Drop, Event, Miss, Reply
from dnsfilter.engine.limits import Limiter
from dnsfilter.engine.listening import UdpListener
from dnsfilter.engine.strangers import Noted, StrangerTable
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Matched, Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.query import Query

_Names: TypeAlias = tuple[bytes, ...]

class CompiledEngine:
    """Implements `Engine`: the ordinary query in C, what needs more by the slow path."""

    make_cache: ClassVar[Callable[[int, int], Cache]]
    def __init__(
        self,
        *,
        listeners: Sequence[UdpListener],
        zones: Zones,
        cache: Cache,
        clients: Clients,
        limits: Limits,
        trust_ad: bool,
        longest_wait_ms: int = ...,
        clock: Clock,
        counters: CounterBlock,
        snapshot: Snapshot,
        since_ms: int | None = None,
    ) -> None: ...
    def fileno(self) -> int: ...
    def listen(self, listener: UdpListener) -> None: ...
    def unlisten(self, listener: UdpListener) -> None: ...
    def in_hand(self) -> int: ...
    def take_strangers(self) -> Sequence[Noted]: ...
    def poll(self, budget: int) -> Sequence[Event]: ...
    def answer(
        self, message: bytes, client: bytes, transport: Transport, wall_s: Instant, boot_ms: int
    ) -> Reply | Miss | Drop: ...
    def forward(self, miss: Miss, ticket: int) -> Sequence[Event]: ...
    def complete(self, exchange: int, message: bytes | None, *, server_failed: bool = True) -> Sequence[Event]: ...
    def is_open(self, exchange: int) -> bool: ...
    def swap(self, snapshot: Snapshot, since_ms: int | None = None) -> None: ...
    def close(self) -> None: ...

class Store:
    """`AnswerCache` in C, with the same contract."""

    def __init__(self, max_bytes: int, stale_s: int) -> None: ...
    def __len__(self) -> int: ...
    @property
    def bytes(self) -> int:
        """Octets that all entries take."""

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Give the entry, fresh or stale; None when there is none or it is past serving even as stale."""

    def put(self, key: CacheKey, answer: Answer, targets: _Names, ad: bool, now_ms: int) -> Entry:
        """Keep an answer if it may be kept, and give its entry in any case."""

class Buckets:
    """A `Limiter` whose table C reads and writes too; its methods here are doors for tests."""

    def __init__(self, limiter: Limiter) -> None: ...
    def passes(self, client: bytes, may_ask: bool, forgeable: bool, now_ms: int) -> bool:
        """Whether `admitted` would let it pass now; nothing is taken."""

    def admitted(self, client: bytes, may_ask: bool, forgeable: bool, now_ms: int) -> int:
        """`Limiter.admit`."""

class Strangers:
    """A `StrangerTable` that C writes too; its method is a door for tests."""

    def __init__(self, strangers: StrangerTable) -> None: ...
    def note_one(self, client: bytes, now_ms: int) -> None:
        """`StrangerTable.note`."""

class AllowedClients:
    """The unregistered clients that may ask, as C knows them; its method is a door for tests."""

    def __init__(self, clients: Clients) -> None: ...
    def admits(self, client: bytes) -> bool:
        """`Clients.admits`."""

class Table:
    """A `Snapshot`, read by C; its methods here are doors for tests. None is where C hands over, or finds nothing."""

    snapshot: Final[Snapshot]
    def __init__(self, snapshot: Snapshot) -> None: ...
    def find_address(self, address: bytes) -> int | None: ...
    def all_suspended_at(self, at: int) -> bool: ...
    def asked(self, name: bytes) -> tuple[Matched, ...] | None: ...
    def matched(self, names: Sequence[bytes]) -> tuple[Matched, ...] | None: ...
    def judged(
        self, range_class: int, names: Sequence[bytes], at: int, question_only: bool = False
    ) -> tuple[int, tuple[int, int, bool, bool] | None, int, tuple[int, ...], tuple[int, ...]] | None:
        """Verdict, the winner's rule, suffix, domain and target, and the pairs refused, monitored and exempted."""

    def changes(self, range_class: int, names: Sequence[bytes], at: int) -> tuple[bool, int | None]:
        """Whether any class is concerned, and the next change for this one."""

    def refusal(self, rule: int) -> tuple[int, bytes, int, bool] | None:
        """Place of the reply, text, extended error, and whether the ban is on encrypted resolvers."""

class Times:
    """An engine's clock; `read` is a door for tests."""

    def __init__(self, clock: Clock) -> None: ...
    def swap(self, anchor: Anchor) -> None: ...
    def read(self) -> tuple[int, int, int]:
        """Wall time in seconds, boot time in nanoseconds, and the instant to decide by."""

class Durations:
    """The histogram of how long replies took; `replied` is a door for tests."""

    def __init__(self, slots: memoryview[int]) -> None: ...
    def replied(self, replies: int, duration_ns: int) -> None: ...

# Doors for tests.

def empty_reply(query: Query, rcode: int, ede: int, text: bytes, limit: int) -> tuple[bytes, int]: ...
def relayed_reply(
    store: Store, key: CacheKey, query: Query, now_ms: int, cap_s: int, ad: bool, limit: int, stale: bool = False
) -> bytes | None: ...
def put_ordinary(
    store: Store,
    key: CacheKey,
    message: bytes,
    answer: Answer,
    targets: _Names,
    ad: bool,
    lifetime: int,
    now_ms: int,
) -> bool: ...
def names_of(store: Store, key: CacheKey, now_ms: int) -> tuple[_Names, _Names] | None: ...
def noted_matches(
    store: Store, key: CacheKey, now_ms: int, sets: Sequence[Sequence[tuple[int, int, bool, bool]]]
) -> list[list[tuple[int, int, bool, bool]]] | None: ...
def sip_hashed(secret: bytes, first: int, octets: bytes) -> int: ...
def plain(message: bytes) -> tuple[int, bytes, int, tuple[int, ...], bool, bool, tuple[int, bool] | None] | None:
    """A plain query: id, folded name, type, labels' starts, AD, CD, and payload and DO, or None without OPT."""

def ordinary(
    message: bytes, number: int, name: bytes, qtype: int, do_bit: bool
) -> tuple[int, int, bool, int, tuple[int, int, int], tuple[tuple[int, int, int, int], ...], _Names, _Names] | int:
    """An ordinary answer: octets, rcode, AD, lifetime, counts, records, targets, names beside; else 0 or -1."""

def odd(message: bytes) -> tuple[Any, ...] | None:
    """What `parse_query` makes of a message: None for silence, "?" where the reference has to look, else id, RD, CD,
    and payload and DO, or None without OPT; then, of a fault, opcode, rcode, octets of the question and extended error,
    and of a query name, type, class, labels' starts and AD.
    """
