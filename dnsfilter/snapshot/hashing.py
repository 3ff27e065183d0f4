"""The hash of names: one pass from the root gives the hash of every suffix of a name.

A label, with its length byte, is cut into 7-byte little-endian words. Each word extends the parent's hash:
`h = (h + word) * multiplier mod 2**61 - 1`. Different names are different polynomials of at most 127 terms. So two of
them collide for at most 127 in 2**61 keys, also if an attacker chose the names. A query of five labels costs six or
seven multiplications. A cryptographic hash cannot be extended label by label and would run five times.
"""

from dnsfilter.snapshot.layout import HASH_PRIME, HASH_SPREAD, HASH_WORD

_U64 = 2**64 - 1


def hash_parameters(key: bytes) -> tuple[int, int]:
    """Return multiplier and offset from the sixteen bytes of a key."""
    return 1 + int.from_bytes(key[:8], "little") % (HASH_PRIME - 1), int.from_bytes(key[8:16], "little")


def extend(parent: int, label: bytes, multiplier: int) -> int:
    """Return the running hash of `label` (with its length byte) below a name with the hash `parent` (root: 0)."""
    for start in range(0, len(label), HASH_WORD):
        parent = (parent + int.from_bytes(label[start : start + HASH_WORD], "little")) * multiplier % HASH_PRIME
    return parent


def spread(running: int, offset: int) -> tuple[int, int]:
    """Return the lower half, which selects the slot, and the upper half, which is stored in it."""
    product = ((running ^ offset) * HASH_SPREAD) & _U64
    upper = product >> 32
    return (product & 0xFFFF_FFFF) ^ upper, upper
