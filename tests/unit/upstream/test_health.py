"""Whom to ask first, after what has happened."""

import pytest

from dnsfilter.upstream.health import EDNS_REMEMBERED_MS, Health


def down(health: Health, server: int, now_ms: int, times: int = 3) -> None:
    for _ in range(times):
        health.failed(server, now_ms)


def test_untried_servers_keep_the_configured_order() -> None:
    assert Health(3).order((2, 0, 1), 0) == (2, 0, 1)


def test_a_slower_healthy_server_keeps_its_configured_place() -> None:
    health = Health(2)
    health.succeeded(0, 300, 0)
    health.succeeded(1, 1, 0)
    assert health.order((0, 1), 0) == (0, 1)


def test_two_failures_change_nothing_and_a_third_sends_the_server_last() -> None:
    health = Health(3)
    down(health, 0, 0, times=2)
    assert health.order((0, 1, 2), 1) == (0, 1, 2)
    health.failed(0, 0)
    assert health.order((0, 1, 2), 1) == (1, 2, 0)
    assert not health.is_healthy(0)


def test_failures_that_do_not_follow_one_another_are_forgiven() -> None:
    health = Health(2)
    for now_ms in range(10):
        down(health, 0, now_ms, times=2)
        health.succeeded(0, 10, now_ms)
    assert health.order((0, 1), 100) == (0, 1)


def test_one_question_in_five_seconds_probes_a_failing_server() -> None:
    health = Health(2)
    down(health, 0, 0)
    orders = [health.order((0, 1), now_ms) for now_ms in (4_999, 5_000, 5_001, 9_999, 10_000)]
    assert orders == [(1, 0), (0, 1), (1, 0), (1, 0), (0, 1)]


def test_back_off_doubles_with_each_failed_probe_up_to_a_minute() -> None:
    health = Health(2)
    down(health, 0, 0)
    now_ms, waits = 0, []
    for _ in range(6):
        probed = next(at for at in range(now_ms, now_ms + 100_000, 1_000) if health.order((0, 1), at) == (0, 1))
        waits.append(probed - now_ms)
        health.failed(0, probed)
        now_ms = probed
    assert waits == [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]


def test_failures_of_questions_in_flight_do_not_lengthen_the_back_off() -> None:
    health = Health(2)
    down(health, 0, 0, times=1_000)
    assert health.order((0, 1), 5_000) == (0, 1)


def test_one_answer_makes_a_server_healthy_again() -> None:
    health = Health(2)
    down(health, 0, 0, times=20)
    health.succeeded(0, 12, 5_000)
    assert health.is_healthy(0)
    assert health.order((0, 1), 5_001) == (0, 1)
    down(health, 0, 6_000, times=2)
    assert health.order((0, 1), 6_001) == (0, 1)


def test_when_all_fail_all_are_still_asked_in_configured_order() -> None:
    health = Health(3)
    for server in range(3):
        down(health, server, 0)
    assert health.order((2, 1, 0), 1) == (2, 1, 0)


def test_a_server_outside_the_route_is_not_asked() -> None:
    assert Health(4).order((3,), 0) == (3,)


def test_round_trip_time_is_smoothed() -> None:
    health = Health(1)
    assert health.rtt_ms(0) is None
    health.succeeded(0, 80, 0)
    assert health.rtt_ms(0) == 80
    health.succeeded(0, 160, 0)
    assert health.rtt_ms(0) == 90


@pytest.mark.parametrize(("rtts_ms", "wait_ms"), [((), 800), ((1,) * 20, 400), ((150,), 450), ((3_000,), 1_000)])
def test_the_first_wait_follows_the_round_trip_time_within_bounds(rtts_ms: tuple[int, ...], wait_ms: int) -> None:
    health = Health(1)
    for rtt_ms in rtts_ms:
        health.succeeded(0, rtt_ms, 0)
    assert health.first_wait_ms(0) == wait_ms


def test_a_server_that_lacks_edns_is_asked_without_it_for_a_while() -> None:
    health = Health(2)
    health.lacks_edns(0, 1_000)
    asked_plain = [
        health.is_plain(0, at_ms) for at_ms in (1_000, 1_000 + EDNS_REMEMBERED_MS - 1, 1_000 + EDNS_REMEMBERED_MS)
    ]
    assert asked_plain == [True, True, False]
    assert not health.is_plain(1, 1_000)


def test_an_answer_with_an_opt_brings_edns_back() -> None:
    health = Health(1)
    health.lacks_edns(0, 1_000)
    health.has_edns(0, 2_000)
    assert not health.is_plain(0, 2_000)


def test_a_server_that_had_edns_a_while_ago_does_not_lack_it() -> None:
    health = Health(1)
    health.has_edns(0, 1_000)
    health.lacks_edns(0, EDNS_REMEMBERED_MS)
    assert not health.is_plain(0, EDNS_REMEMBERED_MS)
    health.lacks_edns(0, 1_000 + EDNS_REMEMBERED_MS)
    assert health.is_plain(0, 1_000 + EDNS_REMEMBERED_MS)
