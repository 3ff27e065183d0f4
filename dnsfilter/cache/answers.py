"""A bounded store of upstream's answers that age. No clock: instants are CLOCK_BOOTTIME milliseconds.

It holds truth only: what upstream said about a name, never what policy made of it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import ANSWER, Answer, answer_ttl, negative_ttl
from dnsfilter.wire.iana import Rcode, Type

LONGEST_S: Final = 86_400
"""The longest that anything is kept, whatever its TTL (RFC 8767 section 4 suggests days; a day forgives mistakes)."""
LONGEST_DENIAL_S: Final = 3_600
"""The longest that a denial is kept (RFC 2308 section 5: one to three hours)."""

# What an entry costs beside the octets it carries, measured on CPython 3.11 to 3.13 (64 bit).
_ENTRY_BYTES: Final = 820
"""Entry, Answer, Question, key, their integers and tuples, and the place in the table."""
_RECORD_BYTES: Final = 330
_TARGET_BYTES: Final = 48


def lifetime_s(answer: Answer) -> int:
    """How many seconds an answer may be kept; 0 for one that may not.

    Data: the least TTL of answer and authority, at most a day. A denial: also the SOA's bound, at most an hour, and 0
    without SOA (RFC 2308 section 5). 0 for every failure and for what was cut.
    """
    if not _is_conclusive(answer):
        return 0
    if answer.rcode == Rcode.NOERROR and _has_data(answer):
        return min(answer_ttl(answer), LONGEST_S)
    denial_s = negative_ttl(answer)
    return 0 if denial_s is None else min(denial_s, answer_ttl(answer), LONGEST_DENIAL_S)


def size_bytes(key: CacheKey, answer: Answer, targets: tuple[bytes, ...]) -> int:
    """The memory that keeping an answer takes, rounded up; what `matches` and `beside` point to is not in it."""
    octets = len(answer.message) + len(answer.question.wire) + len(answer.question.name) + len(key.name)
    records = sum(_RECORD_BYTES + len(record.owner) for record in answer.records)
    return _ENTRY_BYTES + octets + records + sum(_TARGET_BYTES + len(target) for target in targets)


@dataclass(slots=True, eq=False)
class Entry:
    """One answer as upstream gave it, with its age. Only `matches`, `beside` and `names_digest` change."""

    answer: Answer
    stored_ms: int
    expires_ms: int
    targets: tuple[bytes, ...]
    """Folded names that the answer's chain leads to."""
    ad: bool
    """The answer is authentic data, by the word of an upstream that is trusted for it."""
    size: int
    """Octets accounted; 0 when the entry is not in the cache."""
    matches: object | None = None
    """What the engine found question and targets to belong to, in the names file of `names_digest`."""
    beside: tuple[object, ...] = ()
    """The same of each name that has additional records and belongs to something."""
    names_digest: bytes = b""

    def is_fresh(self, now_ms: int) -> bool:
        """True until the TTL has run out."""
        return now_ms < self.expires_ms

    def age_s(self, now_ms: int) -> int:
        """Whole seconds since the answer came, by which its TTLs have fallen."""
        return max(0, now_ms - self.stored_ms) // 1_000


_Segment: TypeAlias = OrderedDict[CacheKey, Entry]


_Names: TypeAlias = tuple[bytes, ...]


class Cache(Protocol):
    """What an engine keeps answers in: `AnswerCache`, or one that does as it does."""

    @property
    def bytes(self) -> int:
        """Octets that all entries take."""

    def __len__(self) -> int: ...

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Give the entry, fresh or stale; None when there is none or it is past serving even as stale."""

    def put(self, key: CacheKey, answer: Answer, targets: _Names, ad: bool, now_ms: int) -> Entry:
        """Keep an answer if it may be kept, and give its entry in any case."""


class AnswerCache:
    """Answers by key, at most `max_bytes` of them, each until `stale_s` after its TTL.

    A segmented LRU: what comes in is on probation, what is asked for again is protected, and only what is on probation
    makes room. A flood of names that nobody asks for twice pushes out its own kind. Each operation takes constant time,
    beside evictions, of which there is at most one for each answer put.
    """

    __slots__ = ("_max_bytes", "_probation", "_protected", "_protected_bytes", "_stale_ms", "bytes")

    def __init__(self, max_bytes: int, stale_s: int) -> None:
        self._max_bytes = max_bytes
        self._stale_ms = stale_s * 1_000
        self._probation: _Segment = OrderedDict()
        self._protected: _Segment = OrderedDict()
        self._protected_bytes = 0
        self.bytes = 0
        """Octets that all entries take."""

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Give the entry, fresh or stale; None when there is none or it is past serving even as stale."""
        entry = self._protected.get(key)
        if entry is not None:
            if self._is_spent(entry, now_ms):
                self._drop(key)
                return None
            self._protected.move_to_end(key)
            return entry
        entry = self._probation.get(key)
        if entry is None:
            return None
        if self._is_spent(entry, now_ms):
            self._drop(key)
            return None
        del self._probation[key]
        self._protected[key] = entry
        self._protected_bytes += entry.size
        self._demote()
        return entry

    def put(self, key: CacheKey, answer: Answer, targets: tuple[bytes, ...], ad: bool, now_ms: int) -> Entry:
        """Keep an answer if it may be kept, and give its entry in any case, so that those who wait can be answered.

        An answer that may not be kept still ends the one before it, which it contradicts; but not a failure or a cut
        answer: a good entry outlives those and serves as stale (RFC 8767 section 4). One larger than an eighth of the
        cache is not kept.
        """
        seconds = lifetime_s(answer)
        size = size_bytes(key, answer, targets)
        if not seconds or size > self._max_bytes // 8:
            if _is_conclusive(answer):
                self._drop(key)
            return Entry(answer, now_ms, now_ms + seconds * 1_000, targets, ad, size=0)
        entry = Entry(answer, now_ms, now_ms + seconds * 1_000, targets, ad, size)
        old = self._protected.get(key)
        if old is not None:
            self._protected[key] = entry
            self._protected.move_to_end(key)
            self._protected_bytes += size - old.size
            self.bytes += size - old.size
            self._demote()
        else:
            self._drop(key)
            self._probation[key] = entry
            self.bytes += size
        self._evict()
        return entry

    def _is_spent(self, entry: Entry, now_ms: int) -> bool:
        return now_ms >= entry.expires_ms + self._stale_ms

    def _drop(self, key: CacheKey) -> None:
        entry = self._probation.pop(key, None)
        if entry is None:
            entry = self._protected.pop(key, None)
            if entry is None:
                return
            self._protected_bytes -= entry.size
        self.bytes -= entry.size

    def _demote(self) -> None:
        """Put the protected that were not asked for the longest back on probation, beyond four fifths of the whole."""
        while self._protected_bytes > self._max_bytes * 4 // 5:
            key, entry = self._protected.popitem(last=False)
            self._protected_bytes -= entry.size
            self._probation[key] = entry

    def _evict(self) -> None:
        # An entry is at most an eighth and the protected at most four fifths, so the newest on probation always fits.
        while self.bytes > self._max_bytes:
            _, entry = self._probation.popitem(last=False)
            self.bytes -= entry.size


def _is_conclusive(answer: Answer) -> bool:
    """True for an answer that says what there is at the name, or that there is nothing."""
    return answer.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) and not answer.tc


def _has_data(answer: Answer) -> bool:
    qtype = answer.question.qtype
    return any(record.section == ANSWER and (record.rtype == qtype or qtype == Type.ANY) for record in answer.records)
