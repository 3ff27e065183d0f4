"""Both caches, for tests that run against either implementation."""

from collections.abc import Callable
from typing import Final, TypeAlias

from dnsfilter.cache.answer_cache import AnswerCache, Cache, Entry
from dnsfilter.wire.answer import Answer
from tests.support.engines import KINDS

Make: TypeAlias = Callable[..., Cache]
"""A function that makes a cache: its size in bytes, how many seconds it serves stale answers, whether it prefetches."""


def _makers() -> dict[str, Make]:
    makers: dict[str, Make] = {"reference": AnswerCache}
    if "compiled" in KINDS:
        from dnsfilter.engine._engine import Store

        makers["compiled"] = Store
    return makers


CACHES: Final = _makers()


def levelled(answer: Answer) -> Answer:
    """Return the answer with the TTLs of its records written into the message, as a cache may keep it."""
    data = bytearray(answer.message)
    for record in answer.records:
        data[record.ttl_offset : record.ttl_offset + 4] = record.ttl.to_bytes(4, "big")
    return Answer(bytes(data), answer.id, answer.flags, answer.rcode, answer.question, answer.records, answer.edns)


def facts(entry: Entry | None) -> tuple[object, ...] | None:
    """Return what clients can learn from an entry, and until when."""
    if entry is None:
        return None
    return levelled(entry.answer), entry.stored_ms, entry.expires_ms, entry.targets, entry.ad
