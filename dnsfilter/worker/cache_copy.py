"""Copies of a worker's cache in sealed memory, with which another worker begins. They are never on disk."""

import time

from dnsfilter.cache.answer_cache import Cache
from dnsfilter.cache.packed import HEAD, MOST_BYTES, Buffer, head_of, unpack
from dnsfilter.worker.sealed import fill, map_sealed

READ_S = 0.5
"""Seconds of processor time to read a copy. The worker reports to the supervisor only afterwards."""


def write_copy(descriptor: int, records: Buffer, routes: bytes) -> None:
    """Write a copy with these records into empty memory, seal it, and close the descriptor."""
    fill(descriptor, head_of(records, routes), records)


def read_copy(descriptor: int, cache: Cache, routes: bytes, now_ms: int) -> int:
    """Put the answers of a copy into the cache, within `READ_S`. Return how many. Close the descriptor.

    The cache checks each answer as if an upstream had sent it. Raise DnsfilterError if the copy cannot be used.
    """
    answers, end = 0, time.thread_time() + READ_S
    with map_sealed(descriptor) as mapped:
        copy = mapped[: HEAD.size + MOST_BYTES + 1]
    for packed in unpack(copy, routes):
        answers += cache.take(packed, now_ms)
        if time.thread_time() > end:
            break
    return answers
