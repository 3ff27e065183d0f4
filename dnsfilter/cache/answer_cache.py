"""A bounded store of upstreams' answers that age. It reads no clock: times are CLOCK_BOOTTIME milliseconds.

It holds only what an upstream said about a name, never a result of policy.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.cache.packed import Buffer, Packed, pack_record
from dnsfilter.errors import MalformedMessage
from dnsfilter.policy.model import DAY_S, WireName
from dnsfilter.wire.answer import (
    ANSWER,
    Answer,
    answer_ttl,
    check_dnames,
    follow,
    negative_ttl,
    parse_answer,
    prune_answer,
)
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import is_at_or_below

LONGEST_S: Final = DAY_S
"""Maximum lifetime of an entry in seconds, for any TTL. RFC 8767 section 4 suggests days; a day limits mistakes."""

POPULAR_HITS: Final = 3
"""Hits since an answer was stored, from which on it is popular."""
NEVER_MS: Final = 2**63 - 1
MS_UNTIL_PREFETCH: Final = 900
"""Milliseconds for each second of the TTL, after which a popular answer is asked for again: nine tenths."""

# The cost of an entry without its data, measured on CPython 3.11 to 3.13 (64 bit).
_ENTRY_BYTES: Final = 868
"""Entry, Answer, Question, key, their integers and tuples, and the slot in the table."""
_RECORD_BYTES: Final = 330
_TARGET_BYTES: Final = 48


def lifetime_s(answer: Answer, complete: bool = True) -> int:
    """Return how many seconds an answer may be cached, or 0 if it must not be.

    Data, and aliases whose end was not reached (not `complete`): the smallest TTL of answer and authority, at most a
    day. Denial: also at most `negative_ttl`, and 0 without SOA (RFC 2308 section 5). Failures and truncated answers: 0.
    """
    if not _is_conclusive(answer):
        return 0
    if answer.rcode == Rcode.NOERROR and (_has_data(answer) or not complete):
        return min(answer_ttl(answer), LONGEST_S)
    denial_s = negative_ttl(answer)
    return 0 if denial_s is None else min(denial_s, answer_ttl(answer))


def size_bytes(key: CacheKey, answer: Answer, targets: tuple[bytes, ...]) -> int:
    """Return the memory that an entry takes, rounded up, without what `matches` and `additional_matches` refer to."""
    content = len(answer.message) + len(answer.question.wire) + len(answer.question.name) + len(key.name)
    records = sum(_RECORD_BYTES + len(record.owner) for record in answer.records)
    return _ENTRY_BYTES + content + records + sum(_TARGET_BYTES + len(target) for target in targets)


class Withheld(IntEnum):
    """The part of an answer that no client gets, because of private addresses in it."""

    NONE = 0
    ADDITIONAL = 1
    ANSWER = 2


Mark: TypeAlias = Callable[[CacheKey, Answer], Withheld]
"""Return what is withheld of an answer to the question of a key."""


@dataclass(slots=True, eq=False)
class Entry:
    """One answer of an upstream, with its age.

    Only the matches, `names_digest`, `hits` and `ask_again_ms` change.
    """

    answer: Answer
    stored_ms: int
    expires_ms: int
    targets: tuple[bytes, ...]
    """Folded names that the answer's chain leads to."""
    ad: bool
    """True if the answer is authentic according to an upstream that is trusted for that."""
    size: int
    """Accounted size in bytes; 0 if the entry is not in the cache."""
    matches: object | None = None
    """Entries that the question and the targets match in the names file with `names_digest`."""
    additional_matches: tuple[object, ...] = ()
    """Each name of the additional section that matches any entry, with the same for it."""
    names_digest: bytes = b""
    hits: int = 0
    ask_again_ms: int = NEVER_MS
    """When a hit has a popular answer asked for again, which is done once."""
    withheld: Withheld = Withheld.NONE

    def is_fresh(self, now_ms: int) -> bool:
        """Return True until the TTL has expired."""
        return now_ms < self.expires_ms

    def age_s(self, now_ms: int) -> int:
        """Return the age in complete seconds. TTLs are reduced by it."""
        return max(0, now_ms - self.stored_ms) // 1_000


_Segment: TypeAlias = OrderedDict[CacheKey, Entry]


_Names: TypeAlias = tuple[bytes, ...]


class Cache(Protocol):
    """The store in which an engine keeps answers: `AnswerCache`, or one with the same behaviour."""

    @property
    def bytes(self) -> int:
        """Size of all entries in bytes."""

    def __len__(self) -> int: ...

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Return the entry, fresh or stale, or None if there is none or it is too old to be served stale."""

    def put(
        self, key: CacheKey, answer: Answer, targets: _Names, ad: bool, now_ms: int, *, complete: bool = True
    ) -> Entry:
        """Keep an answer if it may be cached. Return its entry in any case. `complete` is as for `lifetime_s`."""

    def note_hit(self, key: CacheKey, now_ms: int) -> bool:
        """Count a hit of a fresh entry. Return whether to ask for it again: it is popular, and its TTL ends soon.

        Return True at most once for an entry, so that it is asked for again at most once.
        """

    def flush(self, name: WireName, *, below: bool) -> int:
        """Remove answers about the name, or with `below` also about all names below it. Return how many these were.

        An answer is about the name of its question, and about each name that its chain leads to.
        """

    def pack(self, most_bytes: int, now_ms: int) -> Buffer:
        """Return the answers that may still be served as records, the last used first, within `most_bytes`."""

    def take(self, packed: Packed, now_ms: int) -> bool:
        """Keep an answer of another cache as `take_packed` does. Return whether it was kept."""


class AnswerCache:
    """Answers by key, at most `max_bytes` in total, each kept until `stale_s` after its TTL.

    With `prefetch`, popular answers are asked for again in the last tenth of their TTL. `mark` gives each entry what is
    withheld of it; without one that is nothing.

    A segmented LRU: new entries are on probation, and become protected when asked for again. Only entries on probation
    are evicted. A flood of names that are asked once evicts only its own entries. Each operation takes constant time,
    except evictions: at most one for each answer put.
    """

    __slots__ = (
        "_mark", "_max_bytes", "_prefetch", "_probation", "_protected", "_protected_bytes", "_stale_ms", "bytes",
    )  # fmt: skip

    def __init__(self, max_bytes: int, stale_s: int, prefetch: bool = False, mark: Mark | None = None) -> None:
        self._mark = mark
        self._max_bytes = max_bytes
        self._prefetch = prefetch
        self._stale_ms = stale_s * 1_000
        self._probation: _Segment = OrderedDict()
        self._protected: _Segment = OrderedDict()
        self._protected_bytes = 0
        self.bytes = 0
        """Size of all entries in bytes."""

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def get(self, key: CacheKey, now_ms: int) -> Entry | None:
        """Return the entry, fresh or stale, or None if there is none or it is too old to be served stale."""
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

    def put(
        self, key: CacheKey, answer: Answer, targets: _Names, ad: bool, now_ms: int, *, complete: bool = True
    ) -> Entry:
        """Keep an answer if it may be cached. Return its entry in any case, so that waiting clients can be answered.

        An answer that must not be cached removes the entry that it contradicts. A failure or a truncated answer does
        not: a good entry outlives those and is served stale (RFC 8767 section 4). An answer larger than an eighth of
        the cache is not kept.
        """
        seconds = lifetime_s(answer, complete)
        size = size_bytes(key, answer, targets)
        withheld = Withheld.NONE if self._mark is None else self._mark(key, answer)
        if not seconds or size > self._max_bytes // 8:
            if _is_conclusive(answer):
                self._drop(key)
            return Entry(answer, now_ms, now_ms + seconds * 1_000, targets, ad, size=0, withheld=withheld)
        entry = Entry(answer, now_ms, now_ms + seconds * 1_000, targets, ad, size, withheld=withheld)
        if self._prefetch:
            entry.ask_again_ms = now_ms + seconds * MS_UNTIL_PREFETCH
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

    def note_hit(self, key: CacheKey, now_ms: int) -> bool:
        """Count a hit of a fresh entry. Return whether to ask for it again: it is popular, and its TTL ends soon."""
        entry = self._protected.get(key) or self._probation.get(key)
        if entry is None:
            return False
        entry.hits += 1
        if now_ms < entry.ask_again_ms or entry.hits < POPULAR_HITS:
            return False
        entry.ask_again_ms = NEVER_MS
        return True

    def flush(self, name: WireName, *, below: bool) -> int:
        """Remove answers about the name, or with `below` also about all names below it. Return how many these were."""

        def concerned(other: bytes) -> bool:
            return is_at_or_below(other, name) if below else other == name

        found = [
            key
            for segment in (self._probation, self._protected)
            for key, entry in segment.items()
            if any(map(concerned, (key.name, *entry.targets)))
        ]
        for key in found:
            self._drop(key)
        return len(found)

    def pack(self, most_bytes: int, now_ms: int) -> Buffer:
        """Return the answers that may still be served as records, the last used first, within `most_bytes`."""
        records: list[bytes] = []
        left = most_bytes
        for segment in (self._protected, self._probation):
            for key, entry in reversed(segment.items()):
                if self._is_spent(entry, now_ms):
                    continue
                record = pack_record(Packed(key, entry.answer.message, entry.ad, entry.stored_ms))
                left -= len(record)
                if left < 0:
                    return b"".join(records)
                records.append(record)
        return b"".join(records)

    def take(self, packed: Packed, now_ms: int) -> bool:
        """Keep an answer of another cache as `take_packed` does. Return whether it was kept."""
        return take_packed(self, packed, self._stale_ms, now_ms)

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
        """Move the least recently used protected entries to probation while they exceed four fifths of the cache."""
        while self._protected_bytes > self._max_bytes * 4 // 5:
            key, entry = self._protected.popitem(last=False)
            self._protected_bytes -= entry.size
            self._probation[key] = entry

    def _evict(self) -> None:
        # An entry has at most an eighth, the protected at most four fifths. So the newest on probation always fits.
        while self.bytes > self._max_bytes:
            _, entry = self._probation.popitem(last=False)
            self.bytes -= entry.size


def take_packed(cache: Cache, packed: Packed, stale_ms: int, now_ms: int) -> bool:
    """Keep an answer of another cache from its instant on, after all checks of an upstream's. Return whether it was.

    What follows from the message is found again: the names that it leads to, and how long it is valid.
    """
    key = packed.key
    try:
        answer = parse_answer(packed.message)
        check_dnames(answer)
        chain = follow(answer, answer.question)
        answer = prune_answer(answer, chain, key.do)
    except MalformedMessage:
        return False
    question = answer.question
    seconds = lifetime_s(answer, chain.complete)
    if (question.name, question.qtype, question.qclass) != (key.name, key.qtype, key.qclass) or not seconds:
        return False
    if not 0 <= packed.stored_ms <= now_ms < packed.stored_ms + seconds * 1_000 + stale_ms:
        return False
    return cache.put(key, answer, chain.targets, packed.ad, packed.stored_ms, complete=chain.complete).size > 0


def _is_conclusive(answer: Answer) -> bool:
    """Return True if the answer says that there is data at the name, or that there is none."""
    return answer.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) and not answer.tc


def _has_data(answer: Answer) -> bool:
    qtype = answer.question.qtype
    return any(record.section == ANSWER and (record.rtype == qtype or qtype == Type.ANY) for record in answer.records)
