"""Remembered failures in C: equal to `cache.failures.Failures` below capacity, after any events, and bounded."""

from collections.abc import Iterator
from contextlib import contextmanager
from select import epoll
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.cache.failure_cache import MOST_FAILURES, Failures
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.iana import EdeCode
from dnsfilter.wire.names import parse_name
from tests.fuzz.examples import examples
from tests.unit.engine.tables import LIMITS

engine = pytest.importorskip("dnsfilter.engine._engine")


@contextmanager
def pending() -> Iterator[Any]:
    """Yield a table of pending questions without servers."""
    slots = memoryview(bytearray(8)).cast("Q")
    with epoll() as poller:
        made = engine.make_pending([], [], poller.fileno(), [], slots, False, 1, LIMITS, engine.Store(0, 0))
        yield made
        made.close()


KEYS = [
    CacheKey(view, parse_name(name), qtype, qclass, do, False)
    for view in (0, 1)
    for name in ("example.org", "www.example.org")
    for qtype, qclass in ((1, 1), (28, 1), (1, 3))
    for do in (False, True)
]

happenings = st.lists(
    st.tuples(
        st.sampled_from(("note", "note", "forget", "get", "clear")),
        st.sampled_from(KEYS),
        st.sampled_from((None, EdeCode.NETWORK_ERROR, EdeCode.OTHER)),
        st.sampled_from(((), (b"\1a\0",), (b"\1a\0", b"\1b\0"))),
        st.integers(0, 1),
        st.one_of(st.integers(0, 2_000), st.integers(0, 700_000)),
    ),
    max_size=60,
)


def seen(failures: Any, recoveries: int, now_ms: int) -> list[Any]:
    found = [failures.get(key, recoveries, now_ms) for key in KEYS]
    return [len(failures), *((each.code, each.targets) if each else None for each in found)]


@examples(100)
@given(happened=happenings)
def test_failures_match_the_reference(happened: list[tuple[str, CacheKey, Any, Any, int, int]]) -> None:
    with pending() as at:
        ours, theirs, now_ms, recoveries = engine.Failures(at), Failures(), 1_000, 0
        for what, key, code, targets, recovered, later_ms in happened:
            now_ms += later_ms
            recoveries += recovered
            for failures in (ours, theirs):
                if what == "note":
                    failures.note(key, code, targets, recoveries, now_ms)
                elif what == "forget":
                    failures.forget(key)
                elif what == "clear":
                    failures.clear()
            assert seen(ours, recoveries, now_ms) == seen(theirs, recoveries, now_ms)


def test_failures_are_bounded_and_the_latest_is_remembered() -> None:
    with pending() as at:
        failures = engine.Failures(at)
        for number in range(3 * MOST_FAILURES):
            key = CacheKey(0, parse_name(f"n{number}.example.org"), 1, 1, False, False)
            failures.note(key, None, (b"\1a\0",), 0, number)
            assert failures.get(key, 0, number).targets == (b"\1a\0",)
        assert MOST_FAILURES // 2 < len(failures) <= MOST_FAILURES
