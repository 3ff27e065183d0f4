"""Which server to ask first, after answers and failures."""

import pytest

from dnsfilter.upstream.health import (
    CASE_REMEMBERED_MS,
    CHANGES_TO_LOWER,
    COOKIE_EXPECTED_MS,
    EDNS_REMEMBERED_MS,
    Health,
)


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
    assert health.consecutive_failures(0)


def test_failures_that_are_not_consecutive_change_nothing() -> None:
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
    assert not health.consecutive_failures(0)
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


def test_server_that_recently_had_edns_keeps_it() -> None:
    health = Health(1)
    health.has_edns(0, 1_000)
    health.lacks_edns(0, EDNS_REMEMBERED_MS)
    assert not health.is_plain(0, EDNS_REMEMBERED_MS)
    health.lacks_edns(0, 1_000 + EDNS_REMEMBERED_MS)
    assert health.is_plain(0, 1_000 + EDNS_REMEMBERED_MS)


def change_case(health: Health, at_ms: int) -> None:
    for _ in range(CHANGES_TO_LOWER):
        health.changes_case(0, at_ms)


def test_server_that_changes_the_case_is_asked_in_lower_case_for_a_while() -> None:
    health = Health(2)
    change_case(health, 1_000)
    lower = [health.is_lower(0, at_ms) for at_ms in (1_000, 999 + CASE_REMEMBERED_MS, 1_000 + CASE_REMEMBERED_MS)]
    assert lower == [True, True, False]
    assert not health.is_lower(1, 1_000)
    health.keeps_case(0, 2_000)
    assert not health.is_lower(0, 2_000)


def test_server_that_recently_kept_the_case_is_not_asked_in_lower_case() -> None:
    health = Health(1)
    health.keeps_case(0, 1_000)
    change_case(health, CASE_REMEMBERED_MS)
    assert not health.is_lower(0, CASE_REMEMBERED_MS)
    change_case(health, 1_000 + CASE_REMEMBERED_MS)
    assert health.is_lower(0, 1_000 + CASE_REMEMBERED_MS)


def test_answers_in_another_case_count_only_without_one_in_the_same_case_between_them() -> None:
    health = Health(1)
    for _ in range(CHANGES_TO_LOWER - 1):
        health.changes_case(0, 1_000)
    assert not health.is_lower(0, 1_000)
    health.keeps_case(0, 1_000)
    for _ in range(CHANGES_TO_LOWER - 1):
        health.changes_case(0, 1_000 + CASE_REMEMBERED_MS)
    assert not health.is_lower(0, 1_000 + CASE_REMEMBERED_MS)
    health.changes_case(0, 1_000 + CASE_REMEMBERED_MS)
    assert health.is_lower(0, 1_000 + CASE_REMEMBERED_MS)


def test_server_that_still_changes_the_case_is_asked_in_lower_case_after_one_more_answer() -> None:
    health = Health(1)
    change_case(health, 1_000)
    assert not health.is_lower(0, 1_000 + CASE_REMEMBERED_MS)
    health.changes_case(0, 1_000 + CASE_REMEMBERED_MS)
    assert health.is_lower(0, 1_000 + CASE_REMEMBERED_MS)


def test_server_that_returned_a_cookie_must_do_so_for_a_while() -> None:
    health = Health(2)
    assert not health.expects_cookie(0, 1_000)
    health.has_cookie(0, bytes(24), 1_000)
    expected = [
        health.expects_cookie(0, at_ms) for at_ms in (1_000, 999 + COOKIE_EXPECTED_MS, 1_000 + COOKIE_EXPECTED_MS)
    ]
    assert expected == [True, True, False]
    assert not health.expects_cookie(1, 1_000)


def test_server_cookie_is_sent_with_its_own_client_cookie_only() -> None:
    health = Health(1)
    assert health.cookie_for(0, b"a" * 8) == b"a" * 8
    health.has_cookie(0, b"a" * 8 + b"b" * 16, 1_000)
    assert health.cookie_for(0, b"a" * 8) == b"a" * 8 + b"b" * 16
    assert health.cookie_for(0, b"c" * 8) == b"c" * 8


def dead(health: Health, *servers: int, now_ms: int = 0) -> None:
    for server in servers:
        down(health, server, now_ms)
        health.missed_probe(server)


def test_a_server_is_dead_once_it_misses_a_probe_in_back_off() -> None:
    health = Health(1)
    health.missed_probe(0)
    down(health, 0, 0)
    assert not health.all_dead((0,))
    health.missed_probe(0)
    assert health.all_dead((0,))


def test_a_dead_server_is_never_tried_in_its_configured_place() -> None:
    health = Health(2)
    dead(health, 0)
    assert {health.order((0, 1), now_ms) for now_ms in range(0, 600_000, 1_000)} == {(1, 0)}


def test_a_dead_server_that_answers_a_probe_is_tried_by_the_next_question() -> None:
    health = Health(2)
    dead(health, 0)
    health.answered_probe(0, 100)
    assert [health.order((0, 1), now_ms) for now_ms in (101, 102)] == [(0, 1), (1, 0)]
    assert health.consecutive_failures(0)


def test_an_answered_probe_does_not_shorten_the_back_off_of_a_server_that_lives() -> None:
    health = Health(2)
    down(health, 0, 0)
    health.answered_probe(0, 100)
    assert health.order((0, 1), 101) == (1, 0)


def test_servers_are_all_dead_until_one_answers() -> None:
    health = Health(3)
    dead(health, 0, 1)
    assert health.all_dead((0, 1))
    assert not health.all_dead((0, 1, 2))
    assert not health.all_dead(())
    health.succeeded(1, 5, 100)
    assert not health.all_dead((0, 1))


def test_dead_servers_are_gone_after_five_seconds_without_an_answer_to_a_question() -> None:
    health = Health(2)
    dead(health, 0, 1)
    assert not health.all_gone((0, 1), 60_000)
    health.sent(0, 1_000)
    health.sent(1, 2_000)
    health.sent(0, 4_000)
    assert [health.all_gone((0, 1), now_ms) for now_ms in (6_999, 7_000)] == [False, True]
    assert not health.all_gone((), 7_000)
    health.heard(0)
    assert not health.all_gone((0, 1), 7_000)


def test_one_question_a_second_may_try_servers_that_are_all_dead() -> None:
    health = Health(2)
    dead(health, 0, 1)
    assert health.may_try((0, 1), 0)
    health.order((0, 1), 500)
    assert [health.may_try((0, 1), now_ms) for now_ms in (500, 1_499, 1_500)] == [False, False, True]


def test_failing_servers_are_probed_once_a_second_while_questions_arrive() -> None:
    health = Health(2)
    down(health, 0, 0)
    assert (health.next_probe_ms(), health.due(0)) == (None, [])
    health.order((1,), 10)
    assert health.next_probe_ms() is None
    health.order((0, 1), 10)
    assert (health.next_probe_ms(), health.due(10)) == (0, [0])
    health.want_probes()
    assert (health.next_probe_ms(), health.due(1_009), health.due(1_010)) == (1_010, [], [0])
    assert health.next_probe_ms() is None


def test_a_recovery_is_an_answer_in_back_off_or_a_dead_servers_answer_to_a_probe() -> None:
    health = Health(1)
    health.succeeded(0, 1, 0)
    down(health, 0, 1)
    health.answered_probe(0, 2)
    assert health.recoveries == 0
    health.succeeded(0, 1, 3)
    assert health.recoveries == 1
    dead(health, 0, now_ms=4)
    health.answered_probe(0, 5)
    assert health.recoveries == 2


@pytest.mark.parametrize(("useless", "recoveries"), [(7, 0), (8, 1)])
def test_a_useful_answer_after_many_useless_ones_is_a_recovery(useless: int, recoveries: int) -> None:
    health = Health(1)
    for _ in range(useless):
        health.heard(0)
    for _ in range(2):
        health.succeeded(0, 1, 0)
        assert health.recoveries == recoveries
        health.heard(0)


@pytest.mark.parametrize(("rtts_ms", "quiet_ms"), [((), 100), ((1,) * 20, 50), ((100,), 300)])
def test_a_server_that_leaves_eight_questions_unanswered_for_longer_than_usual_is_asked_last(
    rtts_ms: tuple[int, ...], quiet_ms: int
) -> None:
    health = Health(2)
    for rtt_ms in rtts_ms:
        health.succeeded(0, rtt_ms, 0)
    for number in range(8):
        assert health.order((0, 1), 1_000 + 10 * quiet_ms) == (0, 1), number
        health.sent(0, 1_000)
    assert [health.order((0, 1), 1_000 + quiet_ms - early) for early in (1, 0)] == [(0, 1), (1, 0)]
    assert not health.consecutive_failures(0)
    health.heard(0)
    assert health.order((0, 1), 2_000) == (0, 1)
