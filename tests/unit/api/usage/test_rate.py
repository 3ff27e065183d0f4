"""A node cannot report more queries than it can answer."""

from api.usage.rate import MAX_AT_ONCE, MAX_RATE, Rates
from tests.unit.api.conftest import Clock


def test_node_reports_an_hour_at_once_and_then_what_it_can_answer() -> None:
    clock = Clock(5.0)
    rates = Rates(clock)
    assert rates.take(1, MAX_AT_ONCE) == (True, False)
    assert rates.take(1, 1) == (False, True)
    assert rates.take(1, 1) == (False, False), "it is news once"
    clock.now += 2
    assert rates.take(1, 2 * MAX_RATE) == (True, False)
    assert rates.take(1, 1) == (False, True)
    clock.now += 10**6
    assert rates.take(1, MAX_AT_ONCE + 1) == (False, False), "no more than an hour is saved"
    assert rates.take(1, MAX_AT_ONCE) == (True, False)


def test_nodes_do_not_share_their_allowance() -> None:
    rates = Rates(Clock(0.0))
    assert rates.take(1, MAX_AT_ONCE) == rates.take(2, MAX_AT_ONCE) == (True, False)
