"""Unregistered networks that sent queries: a count for each /24 (IPv4) and /48 (IPv6). No address is stored.

All are in one flat table of fixed size, so that another implementation can read and write the same memory. It has
three columns of SETS * WAYS uint64 in the machine's byte order. A slot that was never written is all 0.

- `network` is `prefix << 2 | family << 1 | 1`: the upper 24 bits of an IPv4 address with family 0, or the upper 48 bits
  of an IPv6 address with family 1.
- `seen` is `second << 3 | steadiness`: the second of boot time of the last query, and how often a query came in a later
  second than the one before, counted from 0 to MOST_STEADY.
- `queries` is the number of queries since they were last taken.

A network is in one set: WAYS adjacent slots in each column, which with WAYS = 8 is one cache line per column. It is
the set with the number `h >> 64 - SET_BITS`, where `h = (m ^ m >> 32) * SPREAD mod 2**64`, `m = (k0 + k1 * (network &
0xffffffff) + k2 * (network >> 32)) mod 2**64`, and k0 to k2 are the little-endian words of a key of 24 bytes. (By `m`
alone, adjacent networks, such as forgotten ones, would share a set for one key in some hundred.)

A slot is reserved for its network until `second + (FIRST_STAY_S << 2 * steadiness)`: 2 seconds at first, at most
9 hours. A query in the second `now`:

1. If the network has a slot in the set, reserved or not, `queries` grows by one; so does the steadiness if `now` is
   later than its second.
2. Else the slot whose reservation ends first (the first of equals; one never written: at 0) becomes its slot, with
   one query and steadiness 0. If that end is later than `now`, nothing is stored.

So forged sources that come once or seldom only take slots from each other. A network that asks again during its
reservation keeps its slot four times as long from then on, and loses it only by silence. One that asks about every
second keeps its first slot, even if the flood came before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap

SET_BITS = 6
SETS = 1 << SET_BITS
WAYS = 8
SLOTS = SETS * WAYS
TABLE_KEY_BYTES = 24
MOST_STEADY = 7
FIRST_STAY_S = 2
SPREAD = 0x9E37_79B9_7F4A_7C15
_STEADY_BITS = 3
_V4_SHIFT, _V6_SHIFT = 8, 80
_U64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Noted:
    """The queries of a network since it was last reported. `prefix` is three bytes of IPv4 or six of IPv6.

    `seen_s` is the second of boot time of its last query, `ends_s` the end of its reservation.
    """

    prefix: bytes
    queries: int
    seen_s: int
    ends_s: int


class UnregisteredTable:
    """The unregistered networks of one engine. `key` is random, so nobody knows which networks share a set."""

    def __init__(self, key: bytes) -> None:
        if len(key) != TABLE_KEY_BYTES:
            raise ValueError(f"key of unregistered networks has {len(key)} bytes, not {TABLE_KEY_BYTES}")
        self.keys = tuple(int.from_bytes(key[at : at + 8], "little") for at in range(0, TABLE_KEY_BYTES, 8))
        # In its own pages, so that a set is a cache line of each column.
        self.table: memoryview[int] = memoryview(mmap(-1, 3 * SLOTS * 8)).cast("Q")

    def note(self, client: bytes, now_ms: int) -> None:
        """Count one query of a packed address, `now_ms` by boot time: steps 1 and 2 above."""
        v6 = len(client) != 4
        prefix = int.from_bytes(client) >> (_V6_SHIFT if v6 else _V4_SHIFT)
        network, now_s, table = prefix << 2 | v6 << 1 | 1, now_ms // 1000, self.table
        at = self._slot(network)
        steady = queries = 0
        if table[at] == network:
            seen, queries = table[SLOTS + at], table[2 * SLOTS + at]
            steady = min((seen & MOST_STEADY) + (now_s > seen >> _STEADY_BITS), MOST_STEADY)
        elif self._ends_s(at) > now_s:
            return
        table[at] = network
        table[SLOTS + at] = now_s << _STEADY_BITS | steady
        table[2 * SLOTS + at] = queries + 1

    def take(self) -> Sequence[Noted]:
        """Return all networks with queries since the last call. They keep their slots; their counts restart at 0."""
        network, seen, queries = (self.table[column * SLOTS : (column + 1) * SLOTS] for column in range(3))
        found = [at for at, count in enumerate(queries) if count]
        noted = [Noted(_packed(network[at]), queries[at], seen[at] >> _STEADY_BITS, self._ends_s(at)) for at in found]
        for at in found:
            queries[at] = 0
        return noted

    def _slot(self, network: int) -> int:
        """Return the slot of a network, or the slot that it would take."""
        k0, k1, k2 = self.keys
        mixed = (k0 + k1 * (network & 0xFFFF_FFFF) + k2 * (network >> 32)) & _U64
        number = ((mixed ^ mixed >> 32) * SPREAD & _U64) >> 64 - SET_BITS
        slots = range(number * WAYS, (number + 1) * WAYS)
        own = next((at for at in slots if self.table[at] == network), None)
        return min(slots, key=self._ends_s) if own is None else own

    def _ends_s(self, at: int) -> int:
        """Return the second until which a slot is reserved for its network."""
        seen = self.table[SLOTS + at]
        return (seen >> _STEADY_BITS) + (FIRST_STAY_S << 2 * (seen & MOST_STEADY)) if self.table[at] else 0


def _packed(network: int) -> bytes:
    return (network >> 2).to_bytes(6 if network & 2 else 3)
