"""Answers of one cache as bytes, for another cache on the same machine: the format, which nothing on disk has.

A copy is a head and records, the last used answers first. The head has the format's version, a digest of what the views
of the keys stand for, and the records' size and checksum. A record is fixed fields, the key's name, and the message.
Times are CLOCK_BOOTTIME milliseconds, which all processes share.
"""

import zlib
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

from dnsfilter.cache.keys import CacheKey
from dnsfilter.errors import DnsfilterError

Buffer: TypeAlias = bytes | bytearray | memoryview

VERSION: Final = b"dnsfcch1"
ROUTES_BYTES: Final = 16
MOST_BYTES: Final = 4 << 20
"""Most bytes of the records of one copy: some 20,000 answers, which a worker collects in some 5 ms."""
HEAD: Final = Struct(f"<8s{ROUTES_BYTES}sII")
"""Version, digest, and the size and CRC-32 of the records."""
RECORD: Final = Struct("<IqHHHBB")
"""Bytes of the message, when it was stored, view, type and class of the key, flags, bytes of the name."""
DO, CD, AD = 1, 2, 4
"""The flags of a record."""


class UnusableCopy(DnsfilterError):
    """A copy that is damaged, or of another format or other views. It costs only the cache."""


class Packed(NamedTuple):
    """One answer as another cache kept it. Nothing about it is certain yet."""

    key: CacheKey
    message: bytes
    ad: bool
    stored_ms: int


def pack_record(packed: Packed) -> bytes:
    """Return the record of one answer."""
    key = packed.key
    flags = DO * key.do | CD * key.cd | AD * packed.ad
    fixed = (len(packed.message), packed.stored_ms, key.view, key.qtype, key.qclass, flags, len(key.name))
    return RECORD.pack(*fixed) + key.name + packed.message


def head_of(records: Buffer, routes: bytes) -> bytes:
    """Return the head of a copy. `routes` is the digest of what the views stand for."""
    return HEAD.pack(VERSION, routes, len(records), zlib.crc32(records))


def unpack(copy: Buffer, routes: bytes) -> Iterator[Packed]:
    """Yield the answers of a copy, the last used first. Stop at a record that is not complete.

    Raise UnusableCopy before the first one if the head does not fit the records or `routes`.
    """
    if len(copy) < HEAD.size or len(copy) > HEAD.size + MOST_BYTES:
        raise UnusableCopy(f"the copy has {len(copy)} bytes: {HEAD.size} to {HEAD.size + MOST_BYTES} are possible")
    version, theirs, size, checksum = HEAD.unpack_from(copy)
    records = memoryview(copy)[HEAD.size :]
    if version != VERSION:
        raise UnusableCopy("the copy has another format")
    if theirs != routes:
        raise UnusableCopy("the copy is of other servers, zones or records")
    if (size, checksum) != (len(records), zlib.crc32(records)):
        raise UnusableCopy("the copy is damaged: its size or checksum is wrong")
    return _records(records)


def _records(records: memoryview) -> Iterator[Packed]:
    at = 0
    while at + RECORD.size <= len(records):
        size, stored_ms, view, qtype, qclass, flags, name_size = RECORD.unpack_from(records, at)
        name_at = at + RECORD.size
        at = name_at + name_size + size
        if at > len(records):
            return
        name, message = records[name_at : name_at + name_size], records[name_at + name_size : at]
        key = CacheKey(view, bytes(name), qtype, qclass, bool(flags & DO), bool(flags & CD))
        yield Packed(key, bytes(message), bool(flags & AD), stored_ms)
