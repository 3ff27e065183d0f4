from collections.abc import Sequence
from typing import TypeAlias

from dnsfilter.cache.answers import Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.reference import ReferenceEngine
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.query import Query

_Names: TypeAlias = tuple[bytes, ...]

class CompiledEngine(ReferenceEngine):
    """Implements `Engine` as `ReferenceEngine` does, which it is made like."""

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

# Doors for tests.

def empty_reply(query: Query, rcode: int, ede: int, text: bytes, limit: int) -> tuple[bytes, int]: ...
def relayed_reply(
    store: Store, key: CacheKey, query: Query, now_ms: int, cap_s: int, ad: bool, limit: int
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
