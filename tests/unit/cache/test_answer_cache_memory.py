"""The process memory that a full cache takes, compared with its accounted size."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from dnsfilter.cache.answer_cache import AnswerCache
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import follow, parse_answer
from tests.support.name_floods import answered, names

pytestmark = pytest.mark.heavy

SIZE = 1_000_000


@pytest.fixture
def tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def put(cache: AnswerCache, message: bytes, now_ms: int) -> None:
    """Cache the answer to a query, as an engine does."""
    answer = parse_answer(answered(message))
    question = answer.question
    key = CacheKey(0, question.name, question.qtype, question.qclass, False, False)
    cache.put(key, answer, follow(answer, question).targets, False, now_ms)
    if now_ms % 3 == 0:
        cache.get(key, now_ms)


@pytest.mark.slow
@pytest.mark.usefixtures("tracing")
def test_full_cache_takes_the_accounted_memory_during_a_long_flood() -> None:
    cache = AnswerCache(SIZE, stale_s=3600)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    taken = []
    for seed in range(3):
        for number, message in enumerate(names(1_500, seed)):
            put(cache, message, number)
        gc.collect()
        taken.append(tracemalloc.get_traced_memory()[0] - before)
        assert SIZE * 9 // 10 < cache.bytes <= SIZE
    assert all(cache.bytes // 2 < size < cache.bytes * 11 // 10 for size in taken), taken
