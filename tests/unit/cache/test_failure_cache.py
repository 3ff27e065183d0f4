"""Questions that could not be resolved: how long and how many are remembered."""

import pytest

from dnsfilter.cache.failure_cache import MOST_FAILURES, Failures
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.iana import EdeCode
from tests.unit.cache.messages import key

KEY = key()


def note(failures: Failures, now_ms: int, recoveries: int = 0, asked: CacheKey = KEY) -> None:
    failures.note(asked, EdeCode.NETWORK_ERROR, (b"\1a\0",), recoveries, now_ms)


def held_ms(failures: Failures, since_ms: int, recoveries: int = 0) -> int:
    """Return how long the failure at that time is held, in steps of half a second."""
    return next(ms for ms in range(0, 400_000, 500) if failures.get(KEY, recoveries, since_ms + ms) is None)


def test_question_that_never_failed_is_unknown() -> None:
    assert Failures().get(KEY, 0, 0) is None


def test_a_failure_is_remembered_with_its_cause_and_targets() -> None:
    failures = Failures()
    note(failures, 5_000)
    found = failures.get(KEY, 0, 5_999)
    assert found is not None
    assert (found.code, found.targets) == (EdeCode.NETWORK_ERROR, (b"\1a\0",))


def test_failure_is_held_twice_as_long_each_time_up_to_five_minutes() -> None:
    failures, now_ms, held = Failures(), 0, []
    for _ in range(11):
        note(failures, now_ms)
        held.append(held_ms(failures, now_ms))
        now_ms += held[-1]
    assert [ms // 1_000 for ms in held] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_success_resets_the_hold_time() -> None:
    failures = Failures()
    note(failures, 0)
    note(failures, 1_000)
    failures.forget(KEY)
    assert failures.get(KEY, 0, 1_000) is None
    note(failures, 2_000)
    assert held_ms(failures, 2_000) == 1_000


@pytest.mark.parametrize(("after_ms", "expected_ms"), [(300_999, 2_000), (301_000, 1_000)])
def test_a_failure_long_ago_does_not_count(after_ms: int, expected_ms: int) -> None:
    failures = Failures()
    note(failures, 0)
    note(failures, after_ms)
    assert held_ms(failures, after_ms) == expected_ms


def test_after_a_recovery_a_failure_holds_for_its_first_second_only() -> None:
    failures = Failures()
    for now_ms in (0, 1_000, 3_000):
        note(failures, now_ms)
    assert held_ms(failures, 3_000) == 4_000
    assert held_ms(failures, 3_000, recoveries=1) == 1_000


def test_the_oldest_failures_make_room() -> None:
    failures = Failures()
    keys = [key(f"n{number}.example.org") for number in range(MOST_FAILURES + 1)]
    for asked in keys:
        note(failures, 0, asked=asked)
    assert len(failures) == MOST_FAILURES
    assert failures.get(keys[0], 0, 0) is None
    assert failures.get(keys[1], 0, 0) is not None
