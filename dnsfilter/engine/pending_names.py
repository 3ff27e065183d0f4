"""Queries for pending names: a count for each authority of clients, service and pending name. No client is in it.

A name is one of a service, not the queried one, which may be below it or lead to it. All counts are in one flat table,
so that another implementation can write the same memory. Its words are uint64 in the machine's byte order:

    used    slots in use
    lost    queries for names that found no room
    keys    one word per slot: pair + 1 << 16 | bytes of the name; 0 for an empty slot
    counts  one word per slot
    names   per slot, in NAME_BYTES: the folded wire name

The slot of a name is the first one from `h mod SLOTS` on that is its own or empty. `h` is FNV-1a of the four bytes of
the pair, little-endian, and of the name. If MOST_NAMES slots are in use, a query for another name is lost.
"""

from collections import Counter
from collections.abc import Sequence
from mmap import mmap
from typing import Final, NamedTuple

from dnsfilter.policy.model import WireName
from dnsfilter.telemetry.policy_words import Pair
from dnsfilter.wire.names import name_text

SLOTS: Final = 1024
MOST_NAMES: Final = 512
"""Names that are counted between two calls of `take`, which are a fraction of a second apart."""
MOST_TAKEN: Final = 256
"""Names that one `take` returns. The longest have some 400 bytes in a message."""
MOST_LEFT: Final = 4096
"""Names that wait for later calls of `take`."""
NAME_BYTES: Final = 256
_USED, _LOST, _KEYS = range(3)
_COUNTS: Final = _KEYS + SLOTS
_NAMES: Final = _COUNTS + SLOTS
_NAME_WORDS: Final = NAME_BYTES // 8
WORDS: Final = _NAMES + SLOTS * _NAME_WORDS
_SIZE_BITS: Final = 16
_FNV_START: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


class PendingCount(NamedTuple):
    """Queries of an authority's clients for a pending name of a service, as text."""

    authority: str
    service: str
    name: str
    queries: int


class PendingNames:
    """The counts of one engine since they were last taken. Call `swap` first."""

    def __init__(self) -> None:
        self.words: memoryview[int] = memoryview(mmap(-1, WORDS * 8)).cast("Q")
        self._pairs: Sequence[Pair] = ()
        self._left: Counter[tuple[str, str, str]] = Counter()
        """What was counted and not taken."""
        self._lost = 0

    def swap(self, pairs: Sequence[Pair]) -> None:
        """Count for these authorities and services, by number, from now on."""
        if pairs is not self._pairs:
            self._read()
            self._pairs = pairs

    def note(self, pair: int, name: WireName) -> None:
        """Count one query for a pending name, for the pair with this number."""
        words, key = self.words, pair + 1 << _SIZE_BITS | len(name)
        at = _hash(pair.to_bytes(4, "little") + name) % SLOTS
        while words[_KEYS + at]:
            if words[_KEYS + at] == key and self._name(at, len(name)) == name:
                words[_COUNTS + at] += 1
                return
            at = (at + 1) % SLOTS
        if words[_USED] == MOST_NAMES:
            words[_LOST] += 1
            return
        words[_USED] += 1
        start = _NAMES + at * _NAME_WORDS
        words[start : start + _NAME_WORDS] = memoryview(name.ljust(NAME_BYTES, b"\0")).cast("Q")
        words[_KEYS + at], words[_COUNTS + at] = key, 1

    def take(self) -> tuple[Sequence[PendingCount], int]:
        """Return the counts of some names, and how many queries found no room, and forget them."""
        self._read()
        first = list(self._left)[:MOST_TAKEN]
        lost, self._lost = self._lost, 0
        return [PendingCount(*key, self._left.pop(key)) for key in first], lost

    def _read(self) -> None:
        """Move the counts from the table to `_left`."""
        words = self.words
        if words[_USED]:
            for at, key in enumerate(words[_KEYS:_COUNTS].tolist()):
                if key:
                    name = name_text(self._name(at, key & (1 << _SIZE_BITS) - 1))
                    self._add((*self._pairs[(key >> _SIZE_BITS) - 1], name), words[_COUNTS + at])
                    words[_KEYS + at] = 0
        self._lost += words[_LOST]
        words[_USED] = words[_LOST] = 0

    def _add(self, key: tuple[str, str, str], queries: int) -> None:
        if key in self._left or len(self._left) < MOST_LEFT:
            self._left[key] += queries
        else:
            self._lost += queries

    def _name(self, at: int, size: int) -> WireName:
        start = _NAMES + at * _NAME_WORDS
        return self.words[start : start + _NAME_WORDS].tobytes()[:size]


def _hash(text: bytes) -> int:
    """Return the FNV-1a hash."""
    found = _FNV_START
    for byte in text:
        found = (found ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return found
