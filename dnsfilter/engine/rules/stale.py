"""Stale answers (RFC 8767): the wait before one is sent, its TTL, its error code, and which entry serves."""

from dataclasses import replace

from dnsfilter.cache.answer_cache import Cache, Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import follow, prune_answer
from dnsfilter.wire.iana import EdeCode, Rcode

STALE_AFTER_MS = 1_800
"""Milliseconds until waiting clients get a stale answer (RFC 8767 section 5, the client response timer)."""
STALE_TTL_S = 30
"""TTL of a stale record (RFC 8767 section 4)."""


def stale_code(rcode: int) -> EdeCode:
    """Return the Extended DNS Error of a stale answer with this rcode (RFC 8914 sections 4.4 and 4.20)."""
    return EdeCode.STALE_NXDOMAIN if rcode == Rcode.NXDOMAIN else EdeCode.STALE_ANSWER


def stale_answer(cache: Cache, key: CacheKey, boot_ms: int) -> Entry | None:
    """Return the cached entry for a question that cannot be resolved; None if there is none.

    The entry for the question with the other DO bit also serves. Its data is valid, but AD is cleared.
    """
    if (entry := cache.get(key, boot_ms)) is not None:
        return entry
    if (other := cache.get(key._replace(do=not key.do), boot_ms)) is None:
        return None
    answer = other.answer if key.do else prune_answer(other.answer, follow(other.answer, other.answer.question), False)
    return replace(other, answer=answer, ad=False)
