"""One worker's counters in a file on tmpfs: written by the worker, read by the supervisor, without a lock.

The supervisor creates the file and keeps it mapped; the worker opens it by path. All memory is reserved at creation, so
a full tmpfs is an error then, never a SIGBUS later. Words are uint64 in machine order, aligned and stored atomically.

    header   magic, version, slots, upstreams, capacity (words), areas, generation, released, ordered, received
    slots    fixed slots, then one run per upstream (`slots.py`)
    areas    AREAS times: generation, words, digest length, digest (32 bytes), then `capacity` words
    names    the names that were last refused, monitored or failed (`recent_names.py`)

Policy counts. Their words have a meaning only under the rules with one digest (`policy_words.py`). So counts belong to
a *generation*: one period of one rules digest in this worker, numbered from 1. Generation g uses area g mod AREAS.

- The worker opens g + 1: it invalidates that area (generation 0), zeroes it, writes the area's head, and last stores
  `generation` = g + 1, which puts g + 1 in force. If the worker dies before that store, g stays in force. Both areas
  are complete. Area g is not written again: it is *retired*.
- The supervisor reads every generation above `released`, and adds to its totals what each has gained since the last
  reading. After reading a retired one, it stores `released`, a word that only the supervisor writes.
- The worker may reuse an area when its generation is released. So AREAS - 1 swaps may pass between two folds. The
  supervisor, which orders the swaps, folds before each. If it falls behind, the oldest generation is overwritten and
  its counts are added to the slot POLICY_COUNTS_LOST: a resolver does not stop for statistics.
- When a worker is dead and reaped, nothing writes. One more fold takes the rest, and the file is removed.
"""

import mmap
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.recent_names import NAMES_WORDS
from dnsfilter.telemetry.slots import MAX_UPSTREAMS, POLICY_COUNTS_LOST, fixed_size

MAGIC: Final = int.from_bytes(b"dnsfctrs", sys.byteorder)
FORMAT_VERSION: Final = 3
AREAS: Final = 4
DEFAULT_CAPACITY: Final = 65_536
MAX_CAPACITY: Final = 8_388_608
"""Words in an area. Those of the default, in all areas, take 2 MB."""
DIGEST_MAX: Final = 32

_WORD: Final = 8
_PAGE_WORDS: Final = 512
_VERSION, _SLOTS, _UPSTREAMS, _CAPACITY, _AREAS, _GENERATION, _RELEASED, _ORDERED, _RECEIVED = range(1, 10)
_HEADER_WORDS: Final = 16
_AREA_WORDS, _AREA_DIGEST_LENGTH, _AREA_DIGEST = 1, 2, 3
_AREA_HEAD_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class PolicyCounts:
    """A copy of one generation's counts, by word."""

    generation: int
    digest: bytes
    counts: tuple[int, ...]


def _pages(words: int) -> int:
    return -(-words // _PAGE_WORDS) * _PAGE_WORDS


def _file_words(slots: int, capacity: int) -> int:
    areas = AREAS * _pages(_AREA_HEAD_WORDS + capacity)
    return _pages(_HEADER_WORDS + slots) + areas + _pages(NAMES_WORDS)


class CounterBlock:
    """One mapped counter file. `create` is for the supervisor, `open` for the worker."""

    def __init__(self, path: Path, mapping: mmap.mmap) -> None:
        self.path = path
        self._mapping = mapping
        self._view = memoryview(mapping)
        self._words = self._view.cast("Q")
        self.upstreams = self._words[_UPSTREAMS]
        self.capacity = self._words[_CAPACITY]
        self.slots: memoryview[int] = self._words[_HEADER_WORDS : _HEADER_WORDS + self._words[_SLOTS]]
        """Fixed and upstream slots. The answer path adds to them directly."""
        self._first_area = _pages(_HEADER_WORDS + self._words[_SLOTS])
        self._area_words = _pages(_AREA_HEAD_WORDS + self.capacity)
        first_name = self._first_area + AREAS * self._area_words
        self.names: memoryview[int] = self._words[first_name : first_name + NAMES_WORDS]
        """The names last noted."""
        self.revisions: memoryview[int] = self._words[_ORDERED : _RECEIVED + 1]
        """`ordered` and `received`. While they differ, a worker takes the policy before it reads queries."""
        self.policy: memoryview[int] = self._words[:0]
        """The worker's policy counts in force, by word. `open_policy` replaces this view."""

    @classmethod
    def create(cls, path: Path, upstreams: int, capacity: int = DEFAULT_CAPACITY) -> Self:
        """Create a zeroed block in a new file, mode 0600, and replace an old file.

        Raise UnavailableError if tmpfs is full or the file cannot be created.
        """
        if not 0 < capacity <= MAX_CAPACITY:
            raise ValueError(f"lay out counters for {capacity} words: at most {MAX_CAPACITY}")
        slots = fixed_size(upstreams)
        words = _file_words(slots, capacity)
        try:
            path.unlink(missing_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise UnavailableError(f"create counter file {path}: {error.strerror}") from error
        try:
            os.posix_fallocate(fd, 0, words * _WORD)
            mapping = mmap.mmap(fd, words * _WORD)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise UnavailableError(
                f"reserve {words * _WORD} bytes for counters in {path.parent}: {error.strerror}"
            ) from error
        finally:
            os.close(fd)
        with memoryview(mapping) as view, view.cast("Q") as header:
            header[_VERSION], header[_SLOTS], header[_UPSTREAMS] = FORMAT_VERSION, slots, upstreams
            header[_CAPACITY], header[_AREAS] = capacity, AREAS
            header[0] = MAGIC
        return cls(path, mapping)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the block that the supervisor created. Raise UnavailableError if the file is not one of this version."""
        mode, access = (os.O_RDONLY, mmap.ACCESS_READ) if read_only else (os.O_RDWR, mmap.ACCESS_WRITE)
        try:
            fd = os.open(path, mode | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                size = os.fstat(fd).st_size
                mapping = mmap.mmap(fd, size, access=access) if size >= _HEADER_WORDS * _WORD else None
            finally:
                os.close(fd)
        except OSError as error:
            raise UnavailableError(f"open counter file {path}: {error.strerror}") from error
        if mapping is None or not _fits(mapping):
            if mapping is not None:
                mapping.close()
            raise UnavailableError(f"open counter file {path}: not a counter block of version {FORMAT_VERSION}")
        block = cls(path, mapping)
        if block.generation:
            block._view_policy(block.generation)
        return block

    def close(self) -> None:
        """Unmap the file. The file stays."""
        for view in (self.policy, self.names, self.slots, self.revisions, self._words, self._view):
            view.release()
        self._mapping.close()

    # The worker's side.

    def add(self, slot: int, n: int = 1) -> None:
        self.slots[slot] += n

    def set(self, slot: int, value: int) -> None:
        self.slots[slot] = value

    def count(self, word: int) -> None:
        """Count one query in a word of the rules in force."""
        self.policy[word] += 1

    @property
    def received(self) -> int:
        """The revision of the last policy that the worker received, whether it could be used or not."""
        return self._words[_RECEIVED]

    @received.setter
    def received(self, revision: int) -> None:
        self._words[_RECEIVED] = revision

    def open_policy(self, digest: bytes, words: int) -> None:
        """Count from now on under the rules with this digest. Call it in the worker's thread only, with the swap.

        Counts continue if the digest is the one in force. Raise ValueError for more words than `capacity`.
        """
        if not 0 < len(digest) <= DIGEST_MAX:
            raise ValueError(f"open policy counters: a digest of {len(digest)} bytes, not 1 to {DIGEST_MAX}")
        if not 0 <= words <= self.capacity:
            raise ValueError(f"open policy counters: {words} words, room for {self.capacity}")
        if self.generation and self.digest == digest and len(self.policy) == words:
            return
        generation = self.generation + 1
        self._clear_area(generation)
        head = self._area(generation)
        self._words[head + _AREA_WORDS], self._words[head + _AREA_DIGEST_LENGTH] = words, len(digest)
        offset = (head + _AREA_DIGEST) * _WORD
        self._view[offset : offset + DIGEST_MAX] = digest.ljust(DIGEST_MAX, b"\0")
        self._words[head] = generation
        self._words[_GENERATION] = generation
        self._view_policy(generation)

    # Both sides.

    @property
    def generation(self) -> int:
        """The policy generation in force, or 0 before the first `open_policy`."""
        return self._words[_GENERATION]

    @property
    def ordered(self) -> int:
        """The revision that the supervisor wants in force. The message with it is on its way to the worker."""
        return self._words[_ORDERED]

    @ordered.setter
    def ordered(self, revision: int) -> None:
        self._words[_ORDERED] = revision

    @property
    def digest(self) -> bytes:
        """The rules digest in force in the worker, or empty before the first `open_policy`."""
        return self._digest(self.generation) if self.generation else b""

    # The supervisor's side.

    def unreleased(self) -> tuple[PolicyCounts, ...]:
        """Return every generation above `released`, oldest first. The last one is in force unless the block is new.

        An overwritten generation is missing: `open_policy` has counted it as lost.
        """
        newest = self.generation
        oldest = max(self._words[_RELEASED] + 1, newest - AREAS + 1, 1)
        read = (self._read_area(generation) for generation in range(oldest, newest + 1))
        return tuple(counts for counts in read if counts is not None)

    def release(self, generation: int) -> None:
        """Record that the totals include this retired generation and all before. ValueError if it is still in force."""
        if generation >= self.generation:
            raise ValueError(f"release policy generation {generation}: {self.generation} is in force")
        self._words[_RELEASED] = max(self._words[_RELEASED], generation)

    def _area(self, generation: int) -> int:
        return self._first_area + generation % AREAS * self._area_words

    def _digest(self, generation: int) -> bytes:
        head = self._area(generation)
        offset = (head + _AREA_DIGEST) * _WORD
        return bytes(self._view[offset : offset + self._words[head + _AREA_DIGEST_LENGTH]])

    def _counts(self, generation: int) -> "memoryview[int]":
        head = self._area(generation)
        first = head + _AREA_HEAD_WORDS
        return self._words[first : first + self._words[head + _AREA_WORDS]]

    def _view_policy(self, generation: int) -> None:
        self.policy = self._counts(generation)

    def _read_area(self, generation: int) -> PolicyCounts | None:
        """Return a copy of an area, or None if the worker reused the area before the copy was complete."""
        counts = PolicyCounts(generation, self._digest(generation), tuple(self._counts(generation)))
        return counts if self._words[self._area(generation)] == generation else None

    def _clear_area(self, generation: int) -> None:
        counts = self._counts(generation)
        self._words[self._area(generation)] = 0
        if generation - AREAS > self._words[_RELEASED]:
            self.slots[POLICY_COUNTS_LOST] += sum(counts)
        first = (self._area(generation) + _AREA_HEAD_WORDS) * _WORD
        self._view[first : first + counts.nbytes] = bytes(counts.nbytes)


def _fits(mapping: mmap.mmap) -> bool:
    """Return whether a mapped file has the header that this version writes, and the matching size."""
    with memoryview(mapping) as view, view[: _HEADER_WORDS * _WORD].cast("Q") as header:
        magic, version, slots, upstreams, capacity, areas = header[:6]
    if (magic, version, areas) != (MAGIC, FORMAT_VERSION, AREAS):
        return False
    if not (0 < capacity <= MAX_CAPACITY and upstreams <= MAX_UPSTREAMS):
        return False
    return slots == fixed_size(upstreams) and len(mapping) == _file_words(slots, capacity) * _WORD
