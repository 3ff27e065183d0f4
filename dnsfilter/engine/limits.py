"""Rate limits: a token bucket for each client, and one for each network whose clients may not ask.

All buckets are in one flat table of fixed size, so that another implementation can read and write the same memory.
The table is `2 * SETS * WAYS` pairs of uint64 in the machine's byte order: a pair is `block`, `state`.

- `block` is the owner of the bucket: an IPv4 address as a number (for a network: its upper 24 bits, the rest 0), or the
  upper 64 bits of an IPv6 address (for a network: their upper 56, the rest 0). Of a fleet's client, the lower 64.
- `state` is `full_at << 6 | unanswered << 2 | kind`: `kind` is 0 for an IPv4 client, 1 for an IPv6 client, 2 for an
  IPv4 network, 3 for an IPv6 network; `unanswered` counts from 0 to `slip` - 1; `full_at` is the tick of boot time,
  one in 1/16 microsecond, at which the bucket will be full again. A pair that was never written is all 0 and full.

A bucket is in one set of WAYS pairs, which with WAYS = 4 is one cache line: the set with the number
`(kind >> 1) * SETS + (h >> 64 - SET_BITS)`. So networks, which anybody can forge, never affect a client. Here
`h = (k0 + k1 * (block & 0xffffffff) + k2 * (block >> 32) + k3 * kind) mod 2**64`, and k0 to k3 are the little-endian
words of a key of 32 bytes (Thorup's multiply-shift: any two blocks share a set for one key in SETS).

A query costs `cost` ticks and a bucket holds `depth` ticks. At the tick `now`:

1. The pair of the set with this block and kind is the bucket. If there is none, the pair with the least `full_at`
   (the first of equals) becomes the bucket and keeps its `full_at`. Reusing a full bucket loses nothing. If all are in
   use, the new owner takes over the least debt, so no flood of addresses clears anybody's debt.
2. `full_at` becomes at least `now` and at most `now + depth`. If `full_at + cost - now > depth`, the query is beyond
   the limit and costs nothing; for a network with `slip` > 0, `unanswered` becomes `(unanswered + 1) mod slip`, and at
   0 the query slips.
3. Else `full_at` grows by `cost`.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from mmap import mmap

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.policy.fleets import FLEET_HALF
from dnsfilter.policy.model import Prefix

SET_BITS = 13
SETS = 1 << SET_BITS
WAYS = 4
TICKS_PER_MS = 16_000
KEY_BYTES = 32
HANDSHAKE_S = 10.0
"""Seconds from the beginning of a connection in which a proxy's header and the TLS handshake must be complete."""
MOST_HANDSHAKES = 256
"""Unfinished handshakes of a worker at a time. Beyond it, the oldest one is ended."""
_TICKS_PER_S = 1000 * TICKS_PER_MS
_NETWORK = 2
_U64 = 2**64 - 1
_V4_NETWORK = 0xFFFF_FF00
_V6_NETWORK = 0xFFFF_FFFF_FFFF_FF00


class Admission(IntEnum):
    """The result of the limits: the query passes, gets a truncated reply (retry over TCP), or gets no answer."""

    PASS = 0
    SLIP = 1
    DROP = 2


@dataclass(frozen=True, slots=True)
class Charges:
    """Cost of a query and depth of the bucket, by client block.

    `costs[i]` and `depths[i]` apply from block `starts[i]` on. A cost of 0 means no limit.
    """

    starts: "array[int]"
    costs: "array[int]"
    depths: "array[int]"

    def at(self, block: int) -> tuple[int, int]:
        """Return cost and depth of a block, in ticks."""
        index = bisect_right(self.starts, block) - 1
        return self.costs[index], self.depths[index]


class Limiter:
    """The buckets of one engine. `key` is random, so nobody knows which blocks share a set."""

    def __init__(self, limits: Limits, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"limiter key has {len(key)} bytes, not {KEY_BYTES}")
        self.keys = tuple(int.from_bytes(key[at : at + 8], "little") for at in range(0, KEY_BYTES, 8))
        self.slip = limits.slip
        self.v4, self.v6 = charges(limits, 4), charges(limits, 6)
        self.network = _ticks(limits.unregistered)
        # In its own pages, so that a set is a cache line.
        self.table: memoryview[int] = memoryview(mmap(-1, 2 * SETS * WAYS * 16)).cast("Q")

    def admit(self, client: bytes, may_ask: bool, forgeable: bool, now_ms: int) -> Admission:
        """Charge one query of a packed address, `now_ms` by boot time.

        If the client may not ask and its address may be forged, as over UDP, charge its network.
        """
        v6 = len(client) != 4
        block = int.from_bytes(client_block(client))
        if may_ask or not forgeable:
            cost, depth = (self.v6 if v6 else self.v4).at(block)
            return self.take(int(v6), block, cost, depth, now_ms * TICKS_PER_MS)
        cost, depth = self.network
        block &= _V6_NETWORK if v6 else _V4_NETWORK
        return self.take(_NETWORK + v6, block, cost, depth, now_ms * TICKS_PER_MS)

    def take(self, kind: int, block: int, cost: int, depth: int, now: int) -> Admission:
        """Do steps 1 to 3 above. A cost of 0 is no limit and changes nothing."""
        if not cost:
            return Admission.PASS
        table = self.table
        at = self._bucket(kind, block)
        state = table[at + 1]
        full_at, unanswered = min(max(state >> 6, now), now + depth), state >> 2 & 15
        admission = Admission.PASS
        if full_at + cost - now <= depth:
            full_at += cost
        elif kind & _NETWORK and self.slip:
            unanswered = (unanswered + 1) % self.slip
            admission = Admission.DROP if unanswered else Admission.SLIP
        else:
            admission = Admission.DROP
        table[at] = block
        table[at + 1] = full_at << 6 | unanswered << 2 | kind
        return admission

    def _bucket(self, kind: int, block: int) -> int:
        """Return the index of the bucket's pair, or of the pair that it takes over."""
        k0, k1, k2, k3 = self.keys
        mixed = (k0 + k1 * (block & 0xFFFF_FFFF) + k2 * (block >> 32) + k3 * kind) & _U64
        first = ((kind >> 1) * SETS + (mixed >> 64 - SET_BITS)) * WAYS * 2
        table, least = self.table, first
        for at in range(first, first + WAYS * 2, 2):
            if table[at] == block and table[at + 1] & 3 == kind:
                return at
            if table[at + 1] >> 6 < table[least + 1] >> 6:
                least = at
        return least


def client_block(client: bytes) -> bytes:
    """Return the part of a packed address that is one client: an IPv4 address, or the /64 of an IPv6 address.

    All fleets are in one /64, so of the address of a fleet's client it is the other half.
    """
    return client[8:] if client.startswith(FLEET_HALF) else client[:8]


def charges(limits: Limits, version: int) -> Charges:
    """Return the charges of the clients of one family. Of nested overrides, the longest prefix applies."""
    bits = 32 if version == 4 else 64
    marks = {0}
    overrides = sorted((o for o in limits.overrides if o[0].version == version), key=lambda o: o[0].prefixlen)
    spans = [(*_span(prefix, bits), rate) for prefix, rate in overrides]
    for first, last, _rate in spans:
        marks |= {first, last + 1}
    starts = sorted(mark for mark in marks if mark < 1 << bits)
    rates = [limits.clients] * len(starts)
    for first, last, rate in spans:  # longer prefixes come later
        begin = bisect_right(starts, first) - 1
        end = bisect_right(starts, last)
        rates[begin:end] = [rate] * (end - begin)
    return Charges(array("Q", starts), *_columns([_ticks(rate) for rate in rates]))


def _span(prefix: Prefix, bits: int) -> tuple[int, int]:
    """Return the first and last block of a prefix."""
    shift = prefix.max_prefixlen - bits
    return int(prefix.network_address) >> shift, int(prefix.broadcast_address) >> shift


def _ticks(rate: Rate) -> tuple[int, int]:
    cost = max(_TICKS_PER_S // rate.per_second, 1) if rate.per_second else 0
    return cost, cost * rate.burst


def _columns(pairs: Sequence[tuple[int, int]]) -> "tuple[array[int], array[int]]":
    return array("Q", [cost for cost, _ in pairs]), array("Q", [depth for _, depth in pairs])
