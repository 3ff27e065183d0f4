"""Queries per registered range: one word for each range of the site, by its number in the ranges file. No address.

The words are flat memory, so that another implementation can write them. Every query of a range counts once, whether it
is answered, refused or limited. Ranges that must not be counted have a word too, which stays 0.
"""

from mmap import mmap
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from dnsfilter.snapshot.reader import Snapshot

ROWS_AT_ONCE: Final = 256
"""Words that one `take` reads, so that it takes a fraction of a millisecond. A thousand ranges take four calls."""
MOST_TAKEN: Final = 512
"""Maximum number of ranges that one `take` returns."""
PREFIX_CHARS: Final = 43
"""Maximum length of a prefix as text."""


class RangeCounts:
    """The queries of one engine per range since they were last taken. Call `swap` first."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._left: dict[str, int] = {}
        """What was counted under an earlier ranges file and not taken."""
        self._next = 0
        self.first = 0
        """The number of the range that the first word counts."""
        self.words: memoryview[int] = memoryview(b"").cast("Q")

    def swap(self, snapshot: Snapshot) -> None:
        """Count by the ranges of `snapshot` from now on. The words stay if its ranges file is the same."""
        if self._snapshot is None or self._snapshot.ranges_digest != snapshot.ranges_digest:
            for prefix, queries in self._take(0, len(self.words)).items():
                self._left[prefix] = self._left.get(prefix, 0) + queries
            rows, self._next = snapshot.range_rows, 0
            self.first, self.words = rows.start, memoryview(mmap(-1, max(len(rows), 1) * 8)).cast("Q")[: len(rows)]
        self._snapshot = snapshot

    def note(self, client: bytes) -> None:
        """Count one query of a packed address, if it is in a range that is counted."""
        row = None if self._snapshot is None else self._snapshot.counted_row(client)
        if row is not None and 0 <= row - self.first < len(self.words):
            self.words[row - self.first] += 1

    def take(self) -> dict[str, int]:
        """Return the queries of some ranges, by prefix, and forget them. Call it again for the next ranges."""
        end = self._next + ROWS_AT_ONCE
        taken = self._take(self._next, end)
        self._next = end if end < len(self.words) else 0
        for prefix in list(self._left)[: MOST_TAKEN - ROWS_AT_ONCE]:
            taken[prefix] = taken.get(prefix, 0) + self._left.pop(prefix)
        return taken

    def _take(self, first: int, end: int) -> dict[str, int]:
        if self._snapshot is None:
            return {}
        words, taken = self.words[first:end], dict[str, int]()
        for slot, queries in enumerate(words):
            if queries:
                taken[_text(*self._snapshot.packed_prefix(self.first + first + slot))] = queries
                words[slot] = 0
        return taken


def _text(address: bytes, length: int) -> str:
    """Return a prefix as text. This takes a tenth of the time of `ipaddress`."""
    return f"{inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)}/{length}"
