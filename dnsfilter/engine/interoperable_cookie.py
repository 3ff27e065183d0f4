"""Server cookies that other implementations can check (RFC 9018), and SipHash-2-4 (Aumasson and Bernstein 2012)."""

from struct import Struct
from typing import Final

CLIENT_COOKIE: Final = 8
"""Bytes of a client cookie (RFC 7873 section 4.1)."""
SERVER_COOKIE: Final = 16
"""Bytes of a server cookie of RFC 9018 section 4: version, three reserved bytes, timestamp, hash."""
MAX_AGE_S: Final = 3600
"""A server cookie is valid for this time (RFC 9018 section 4.3)."""
MAX_AHEAD_S: Final = 300
"""How far the clock of the server that made a cookie may be ahead of ours."""
RENEW_AFTER_S: Final = 1800
"""A server cookie of this age is replaced in the next reply."""
_HEAD: Final = Struct("!B3xI")
_VERSION: Final = 1
_WORDS: Final = Struct("<2Q")
_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1


def make_server_cookie(secret: bytes, client_cookie: bytes, client: bytes, at_s: int) -> bytes:
    """Return the server cookie for a packed address at an instant. `secret` has 16 bytes."""
    head = _HEAD.pack(_VERSION, at_s & _U32)
    return head + sip_hash(secret, client_cookie + head + client)


def cookie_age(cookie: bytes, at_s: int) -> int | None:
    """Return the age of a server cookie in seconds; None if its form or its age is invalid.

    Timestamps are numbers of 32 bits, compared by serial arithmetic (RFC 1982).
    """
    if len(cookie) != SERVER_COOKIE or cookie[0] != _VERSION:
        return None
    age = (at_s - int.from_bytes(cookie[4:8], "big")) & _U32
    age -= 1 << 32 if age >> 31 else 0
    return age if -MAX_AHEAD_S <= age <= MAX_AGE_S else None


def is_hash_valid(secret: bytes, client_cookie: bytes, client: bytes, cookie: bytes) -> bool:
    """Return whether the secret's owner made this server cookie for the packed address. Reserved bytes are hashed."""
    return sip_hash(secret, client_cookie + cookie[:8] + client) == cookie[8:]


def sip_hash(key: bytes, data: bytes) -> bytes:
    """Return the eight bytes of SipHash-2-4 of `data`. `key` has 16 bytes."""
    k0, k1 = _WORDS.unpack(key)
    state = (k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573)
    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        a, b, c, d = _rounds((*state[:3], state[3] ^ word), 2)
        state = (a ^ word, b, c, d)
    a, b, c, d = _rounds((state[0], state[1], state[2] ^ 0xFF, state[3]), 4)
    return (a ^ b ^ c ^ d).to_bytes(8, "little")


def _rounds(state: tuple[int, int, int, int], count: int) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for _ in range(count):
        a, c = (a + b) & _U64, (c + d) & _U64
        b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
        a, c = (_rotated(a, 32) + d) & _U64, (c + b) & _U64
        b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
        c = _rotated(c, 32)
    return a, b, c, d


def _rotated(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & _U64
