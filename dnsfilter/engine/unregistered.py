"""Networks that asked although no range holds them: by /24 (IPv4) and /48 (IPv6), counted, and never an address.

All stand in one flat table of fixed size, so that another implementation can read and write the same memory. It is
three columns of SETS * WAYS uint64 in the machine's byte order; what was never written is all 0.

- `whose` is `prefix << 2 | family << 1 | 1`: the upper 24 bits of an IPv4 address with family 0, or the upper 48 bits
  of an IPv6 address with family 1.
- `seen` is `second << 3 | steadiness`: the second of boot time at which it asked last, and how often it did so in a
  later second than before, counted from 0 to MOST_STEADY.
- `queries` is how many it has asked since they were last taken.

A network is in one set, WAYS places next to each other in each column, which with WAYS = 8 is a cache line of each:
the set with the number `h >> 64 - SET_BITS`, where `h = (m ^ m >> 32) * SPREAD mod 2**64`, `m = (k0 + k1 * (whose &
0xffffffff) + k2 * (whose >> 32)) mod 2**64`, and k0 to k2 are the little-endian words of a key of 24 octets. (By `m`
alone neighbours, as forgotten networks are, would share a set for one key in some hundred.)

A place is its network's until `second + (FIRST_STAY_S << 2 * steadiness)`, 2 seconds at first, 9 hours at most. A query
in the second `now`:

1. Of the set, the place of this network, whether its time is over or not, counts it: `queries` grows by one, and where
   `now` is later than its second, its steadiness too.
2. If there is none, the place whose time ends first (the first of equals; one never written: at 0) becomes its place,
   with one query and no steadiness, unless that end is later than `now`: then nothing is noted.

So a flood of forged sources, each of which comes once or seldom, only takes places from others of its kind: whoever
asks again while his place is his keeps it four times as long from then on, and loses it only by silence. One that asks
every second or so holds out from his first place on, also when the flood came before him.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap

SET_BITS = 6
SETS = 1 << SET_BITS
WAYS = 8
PLACES = SETS * WAYS
TABLE_KEY_BYTES = 24
MOST_STEADY = 7
FIRST_STAY_S = 2
SPREAD = 0x9E37_79B9_7F4A_7C15
_STEADY_BITS = 3
_V4_SHIFT, _V6_SHIFT = 8, 80
_U64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Noted:
    """What a network has asked since it was last told of. `prefix` is three octets of IPv4 or six of IPv6.

    `seen_s` is the second of boot time at which it asked last, `ends_s` the one up to which its place is its own.
    """

    prefix: bytes
    queries: int
    seen_s: int
    ends_s: int


class UnregisteredTable:
    """What one engine has met. `key` is drawn at start, so that nobody knows who shares a set with whom."""

    def __init__(self, key: bytes) -> None:
        if len(key) != TABLE_KEY_BYTES:
            raise ValueError(f"make table of unregistered networks: a key has {TABLE_KEY_BYTES} bytes, not {len(key)}")
        self.keys = tuple(int.from_bytes(key[at : at + 8], "little") for at in range(0, TABLE_KEY_BYTES, 8))
        # Of pages of its own, so that a set is a cache line of each column.
        self.table: memoryview[int] = memoryview(mmap(-1, 3 * PLACES * 8)).cast("Q")

    def note(self, client: bytes, now_ms: int) -> None:
        """Count one query of a packed address, `now_ms` by boot time; steps 1 and 2 above."""
        v6 = len(client) != 4
        prefix = int.from_bytes(client) >> (_V6_SHIFT if v6 else _V4_SHIFT)
        whose, now_s, table = prefix << 2 | v6 << 1 | 1, now_ms // 1000, self.table
        at = self._place(whose)
        steady = queries = 0
        if table[at] == whose:
            seen, queries = table[PLACES + at], table[2 * PLACES + at]
            steady = min((seen & MOST_STEADY) + (now_s > seen >> _STEADY_BITS), MOST_STEADY)
        elif self._ends_s(at) > now_s:
            return
        table[at] = whose
        table[PLACES + at] = now_s << _STEADY_BITS | steady
        table[2 * PLACES + at] = queries + 1

    def take(self) -> Sequence[Noted]:
        """All who have asked since this was last called; they keep their places, and are counted from 0 again."""
        whose, seen, queries = (self.table[column * PLACES : (column + 1) * PLACES] for column in range(3))
        found = [at for at, count in enumerate(queries) if count]
        noted = [Noted(_packed(whose[at]), queries[at], seen[at] >> _STEADY_BITS, self._ends_s(at)) for at in found]
        for at in found:
            queries[at] = 0
        return noted

    def _place(self, whose: int) -> int:
        """Where it stands, or whose place it would take."""
        k0, k1, k2 = self.keys
        mixed = (k0 + k1 * (whose & 0xFFFF_FFFF) + k2 * (whose >> 32)) & _U64
        number = ((mixed ^ mixed >> 32) * SPREAD & _U64) >> 64 - SET_BITS
        places = range(number * WAYS, (number + 1) * WAYS)
        own = next((at for at in places if self.table[at] == whose), None)
        return min(places, key=self._ends_s) if own is None else own

    def _ends_s(self, at: int) -> int:
        """Until when a place is its network's."""
        seen = self.table[PLACES + at]
        return (seen >> _STEADY_BITS) + (FIRST_STAY_S << 2 * (seen & MOST_STEADY)) if self.table[at] else 0


def _packed(whose: int) -> bytes:
    return (whose >> 2).to_bytes(6 if whose & 2 else 3)
