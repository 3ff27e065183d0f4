"""The names that were last refused, monitored or failed, with the authority of the client: a part of a counter file.

There is no client in it, and no time except the minute in which a name was last noted, which ends its stay. Per outcome
there is one ring of flat memory, so that another implementation can write it:

    left     names that may still be noted until the next `refresh`; 0 while nothing is to be noted
    minute   minute of the boot clock, set by `refresh`
    order    names noted so far
    tags     one word per slot: hash of authority and name, 0 for an empty slot
    seen     one word per slot: minute << 32 | order
    texts    per slot: slug of the authority and folded wire name, each padded with zeros

A name that is noted again keeps its slot. A new one takes the slot that was noted longest ago. A reader in another
process skips a slot whose tag does not fit its texts, because it is being written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct
from typing import Final


class NameOutcome(StrEnum):
    """Why a name was noted. Each has a ring, in this order."""

    REFUSED = "refused"
    MONITORED = "monitored"
    FAILED = "failed"


REFUSED, MONITORED, FAILED = range(len(NameOutcome))
SLOTS: Final = 128
"""Names per outcome."""
MOST_NOTED: Final = 32
"""Names per outcome that are noted between two calls of `refresh`, so that a flood costs nothing."""
KEPT_MINUTES: Final = 15
"""How long a name stays after it was last noted."""

SLUG_BYTES: Final = 64
_TEXTS = Struct(f"{SLUG_BYTES}s256s")
_TEXT_WORDS: Final = _TEXTS.size // 8
LEFT, MINUTE, _ORDER, _TAGS = range(4)
_SEEN: Final = _TAGS + SLOTS
_FIRST_TEXT: Final = _SEEN + SLOTS
RING_WORDS: Final = _FIRST_TEXT + SLOTS * _TEXT_WORDS
NAMES_WORDS: Final = len(NameOutcome) * RING_WORDS
_ORDER_BITS: Final = 32
_FNV_START: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


@dataclass(frozen=True, slots=True)
class RecentName:
    """A folded wire name that clients of this authority asked for. Of one outcome, a greater `seen` is later."""

    outcome: NameOutcome
    authority: str
    name: bytes
    seen: int


class RecentNames:
    """Notes names in the memory of one worker. Call `swap` first."""

    def __init__(self, words: "memoryview[int]") -> None:
        self.words = words
        self.slugs = b""
        """The slug of each authority that is noted, by number, in `SLUG_BYTES` each."""

    def swap(self, authorities: Sequence[str]) -> None:
        """Note for these authorities, by number, from now on. Forget the names of all others."""
        slugs = [_packed(authority) for authority in authorities]
        packed = b"".join(slugs)
        if packed != self.slugs:
            self.slugs, known = packed, set(slugs)
            for slot in _slots():
                if _texts(self.words, slot)[:SLUG_BYTES] not in known:
                    _forget(self.words, slot)

    def note(self, ring: int, number: int, name: bytes) -> None:
        """Note a folded wire name for the authority with this number, if there is room. -1 is for none."""
        first = ring * RING_WORDS
        if number < 0 or not self.words[first + LEFT]:
            return
        self.words[first + LEFT] -= 1
        self.words[first + _ORDER] += 1
        slug = self.slugs[number * SLUG_BYTES : (number + 1) * SLUG_BYTES]
        tag = _tag(slug.rstrip(b"\0"), name)
        tags = self.words[first + _TAGS : first + _SEEN].tolist()
        seen = self.words[first + _SEEN : first + _FIRST_TEXT].tolist()
        at = tags.index(tag) if tag in tags else seen.index(min(seen))
        if tags[at] != tag:
            text = first + _FIRST_TEXT + at * _TEXT_WORDS
            self.words[text : text + _TEXT_WORDS] = memoryview(_TEXTS.pack(slug, name)).cast("Q")
            self.words[first + _TAGS + at] = tag
        order = self.words[first + _ORDER] & ((1 << _ORDER_BITS) - 1)
        self.words[first + _SEEN + at] = self.words[first + MINUTE] << _ORDER_BITS | order


def refresh(words: "memoryview[int]", minute: int) -> None:
    """Let names be noted, and forget those that were last noted `KEPT_MINUTES` ago. Call this a few times a second."""
    for first in range(0, NAMES_WORDS, RING_WORDS):
        words[first + LEFT] = MOST_NOTED
        if words[first + MINUTE] != minute:
            words[first + MINUTE] = minute
            for slot in range(first, first + SLOTS):
                if words[slot + _TAGS] and not _stays(words[slot + _SEEN], minute):
                    _forget(words, (first, slot - first))


def read_names(words: "memoryview[int]", minute: int) -> list[RecentName]:
    """Return the names of all rings. Another process may write them meanwhile."""
    found = []
    for outcome, first in zip(NameOutcome, range(0, NAMES_WORDS, RING_WORDS), strict=True):
        for at in range(SLOTS):
            tag, seen = words[first + _TAGS + at], words[first + _SEEN + at]
            texts = _texts(words, (first, at))
            slug, name = texts[:SLUG_BYTES].rstrip(b"\0"), _wire_name(texts[SLUG_BYTES:])
            if tag and tag == _tag(slug, name) and _stays(seen, minute):
                found.append(RecentName(outcome, slug.decode("ascii", "replace"), name, seen))
    return found


def latest(names: Iterable[RecentName]) -> list[RecentName]:
    """Return each name of several workers once: by outcome, and the latest first."""
    order, found = list(NameOutcome), dict[tuple[NameOutcome, str, bytes], RecentName]()
    for each in sorted(names, key=lambda name: (order.index(name.outcome), -name.seen)):
        found.setdefault((each.outcome, each.authority, each.name), each)
    return list(found.values())


def boot_minute(boot_ns: int) -> int:
    """Return the minute of the boot clock (CLOCK_BOOTTIME)."""
    return boot_ns // 60_000_000_000


def _slots() -> Iterable[tuple[int, int]]:
    """Yield each slot: the first word of its ring, and its number."""
    return ((first, at) for first in range(0, NAMES_WORDS, RING_WORDS) for at in range(SLOTS))


def _texts(words: "memoryview[int]", slot: tuple[int, int]) -> bytes:
    start = slot[0] + _FIRST_TEXT + slot[1] * _TEXT_WORDS
    return words[start : start + _TEXT_WORDS].tobytes()


def _forget(words: "memoryview[int]", slot: tuple[int, int]) -> None:
    """Empty a slot."""
    first, at = slot
    start = first + _FIRST_TEXT + at * _TEXT_WORDS
    words[first + _TAGS + at] = words[first + _SEEN + at] = 0
    words[start : start + _TEXT_WORDS] = memoryview(bytes(_TEXTS.size)).cast("Q")


def _stays(seen: int, minute: int) -> bool:
    return minute - (seen >> _ORDER_BITS) < KEPT_MINUTES


def _packed(authority: str) -> bytes:
    return authority.encode("ascii", "replace").ljust(SLUG_BYTES, b"\0")[:SLUG_BYTES]


def _wire_name(padded: bytes) -> bytes:
    """Return the wire name at the start of these bytes, or all of them if there is none."""
    end = 0
    while end < len(padded) and padded[end]:
        end += 1 + padded[end]
    return padded[: end + 1]


def _tag(slug: bytes, name: bytes) -> int:
    """Return a hash that is not 0 (FNV-1a)."""
    tag = _FNV_START
    for byte in slug + name:
        tag = (tag ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return tag | 1
