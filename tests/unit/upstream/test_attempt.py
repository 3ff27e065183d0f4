"""The dialogue of one question: each event, and the step that follows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.upstream.attempt import (
    FAIL_OVER_RCODES,
    HURRIED_MS,
    MAX_SENDS,
    MAX_SENDS_TO_ONE,
    TOTAL_MS,
    Accept,
    AskByStream,
    Attempt,
    Exhausted,
    Plan,
    Send,
    Step,
    Wait,
    plan,
)
from dnsfilter.wire.iana import Rcode

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Start:
    now_ms: int = 0


@dataclass(frozen=True)
class Timeout:
    now_ms: int


@dataclass(frozen=True)
class Answer:
    rcode: int
    truncated: bool = False
    now_ms: int = 0
    server: int | None = None
    has_opt: bool = True


@dataclass(frozen=True)
class Unreachable:
    now_ms: int = 0


Event: TypeAlias = Start | Timeout | Answer | Unreachable


def play(attempt: Attempt, event: Event) -> Step:
    match event:
        case Start(now_ms):
            return attempt.start(now_ms)
        case Timeout(now_ms):
            return attempt.on_timeout(now_ms)
        case Answer(rcode, truncated, now_ms, server, has_opt):
            return attempt.on_answer(rcode, truncated, now_ms, server, has_opt)
        case Unreachable(now_ms):
            return attempt.on_error(now_ms)
        case _:
            assert_never(event)


Dialogue: TypeAlias = list[tuple[Event, Step]]

DIALOGUES: dict[str, tuple[list[int], Dialogue]] = {
    "the first answer is accepted": ([0, 1], [(Start(1_000), Send(0, 1_800)), (Answer(NOERROR), Accept())]),
    "a name that does not exist is an answer": ([0], [(Start(), Send(0, 800)), (Answer(NXDOMAIN), Accept())]),
    "an unknown rcode is an answer": ([0, 1], [(Start(), Send(0, 800)), (Answer(24), Accept())]),
    "an rcode about the hop is none": ([0], [(Start(), Send(0, 800)), (Answer(16), Exhausted(16))]),
    "silence turns to the next server and back": (
        [4, 7],
        [
            (Start(), Send(4, 800)),
            (Timeout(800), Send(7, 2_000)),
            (Timeout(2_000), Send(4, 3_600)),
            (Timeout(3_600), Send(7, 4_900)),
            (Timeout(4_900), Exhausted(None)),
        ],
    ),
    "a server that is alone is asked three times, and then waited for": (
        [0],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(0, 2_000)),
            (Timeout(2_000), Send(0, 3_600)),
            (Timeout(3_600), Wait(4_900)),
            (Timeout(4_900), Exhausted(None)),
        ],
    ),
    "a slow server may answer after the last wait": (
        [0],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(0, 2_000)),
            (Timeout(2_000), Send(0, 3_600)),
            (Timeout(3_600), Wait(4_900)),
            (Answer(NOERROR, now_ms=4_000), Accept()),
        ],
    ),
    "the wait for slow servers ends when all of them have failed": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(1, 2_000)),
            (Timeout(2_000), Send(0, 3_600)),
            (Timeout(3_600), Send(1, 4_900)),
            (Answer(SERVFAIL, now_ms=3_700), Wait(4_900)),
            (Answer(REFUSED, now_ms=3_800, server=0), Exhausted(SERVFAIL)),
        ],
    ),
    "a stream that fails leaves nobody to wait for": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(1, 2_000)),
            (Timeout(2_000), Send(0, 3_600)),
            (Timeout(3_600), Send(1, 4_900)),
            (Answer(NOERROR, truncated=True, now_ms=3_700), AskByStream(1, 4_900)),
            (Unreachable(now_ms=4_000), Exhausted(None)),
        ],
    ),
    "a failure is not asked again when the server is alone": (
        [0],
        [(Start(), Send(0, 800)), (Answer(SERVFAIL), Exhausted(SERVFAIL))],
    ),
    "a failing server is passed over, and the first failure remembered": (
        [0, 1, 2],
        [
            (Start(), Send(0, 800)),
            (Answer(REFUSED), Send(1, 2_000)),
            (Answer(SERVFAIL), Send(2, 3_600)),
            (Answer(NOTIMP), Exhausted(REFUSED)),
        ],
    ),
    "after a failure the one that is left is asked again": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Answer(FORMERR), Send(1, 2_000)),
            (Timeout(2_000), Send(1, 3_600)),
            (Timeout(3_600), Send(1, 4_900)),
            (Timeout(4_900), Exhausted(FORMERR)),
        ],
    ),
    "a server that rejects edns is asked once without it": (
        [0, 1],
        [(Start(), Send(0, 800)), (Answer(FORMERR, has_opt=False), Send(0, 2_000)), (Answer(NOERROR), Accept())],
    ),
    "a server that fails without edns too is passed over": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Answer(NOTIMP, has_opt=False), Send(0, 2_000)),
            (Answer(FORMERR, has_opt=False), Send(1, 3_600)),
            (Answer(FORMERR, has_opt=False), Send(1, 4_900)),
            (Answer(FORMERR, has_opt=False), Exhausted(FORMERR)),
        ],
    ),
    "another failure than of edns is not asked again": (
        [0],
        [(Start(), Send(0, 800)), (Answer(REFUSED, has_opt=False), Exhausted(REFUSED))],
    ),
    "a second server's answer makes up for the first one's failure": (
        [0, 1],
        [(Start(), Send(0, 800)), (Answer(SERVFAIL), Send(1, 2_000)), (Answer(NXDOMAIN), Accept())],
    ),
    "an unreachable server is passed over at once": (
        [0, 1],
        [(Start(), Send(0, 800)), (Unreachable(), Send(1, 2_000)), (Unreachable(), Exhausted(None))],
    ),
    "a cut answer is asked for by stream": (
        [0],
        [
            (Start(), Send(0, 800)),
            (Answer(NOERROR, truncated=True, now_ms=20), AskByStream(0, 4_900)),
            (Answer(NOERROR), Accept()),
        ],
    ),
    "a stream leaves another server half of the time": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Answer(NOERROR, truncated=True, now_ms=100), AskByStream(0, 2_500)),
            (Unreachable(now_ms=2_500), Send(1, 4_100)),
            (Answer(NOERROR, truncated=True, now_ms=2_600), AskByStream(1, 4_900)),
            (Unreachable(now_ms=4_900), Exhausted(None)),
        ],
    ),
    "a cut failure is a failure": (
        [0, 1],
        [(Start(), Send(0, 800)), (Answer(SERVFAIL, truncated=True), Send(1, 2_000))],
    ),
    "a broken stream turns to the next server, from now": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Answer(NOERROR, truncated=True, now_ms=20), AskByStream(0, 2_460)),
            (Unreachable(now_ms=1_500), Send(1, 3_100)),
        ],
    ),
    "a stream's answer that says it is cut is no answer": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Answer(NOERROR, truncated=True), AskByStream(0, 2_450)),
            (Answer(NOERROR, truncated=True), Send(1, 2_400)),
            (Answer(NOERROR, truncated=True), AskByStream(1, 4_900)),
            (Answer(NOERROR, truncated=True), Exhausted(None)),
        ],
    ),
    "a late failure of the first server does not rule out the second": (
        [0, 1],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(1, 2_000)),
            (Answer(SERVFAIL, server=0), Send(1, 3_600)),
            (Answer(NOERROR), Accept()),
        ],
    ),
    "the third send's cut answer still gets its stream, and nothing after it": (
        [0],
        [
            (Start(), Send(0, 800)),
            (Timeout(800), Send(0, 2_000)),
            (Timeout(2_000), Send(0, 3_600)),
            (Answer(NOERROR, truncated=True), AskByStream(0, 4_900)),
            (Unreachable(), Exhausted(None)),
        ],
    ),
    "a late timer shortens the last wait": (
        [0],
        [(Start(), Send(0, 800)), (Timeout(4_500), Send(0, 4_900)), (Timeout(4_900), Exhausted(None))],
    ),
    "a timer that comes after all time is spent gives up": (
        [0, 1],
        [(Start(), Send(0, 800)), (Timeout(60_000), Exhausted(None))],
    ),
}


@pytest.mark.parametrize(("servers", "dialogue"), DIALOGUES.values(), ids=DIALOGUES.keys())
def test_dialogue(servers: list[int], dialogue: Dialogue) -> None:
    attempt = Attempt(servers, first_wait_ms=800)
    for event, step in dialogue:
        assert play(attempt, event) == step


def test_a_server_known_to_lack_edns_is_asked_without_it_and_passed_over_when_it_fails() -> None:
    attempt = Attempt([0, 1], 800, plain=[0])
    attempt.start(0)
    assert (attempt.is_plain(0), attempt.is_plain(1), attempt.rejected_edns(0)) == (True, False, False)
    assert attempt.on_answer(FORMERR, False, has_opt=False) == Send(1, 2_000)
    assert attempt.on_answer(FORMERR, False, has_opt=False) == Send(1, 3_600)
    assert (attempt.is_plain(1), attempt.rejected_edns(1)) == (True, True)


def test_waits_grow_and_are_bounded() -> None:
    assert plan([3, 1], 800) == Plan((3, 1), (800, 1_200, 1_600, 2_000))
    assert plan([0], 10**9) == Plan((0,), (1_000, 1_500, 2_000, 2_500))
    assert plan([0], 0) == Plan((0,), (50, 75, 100, 125))


def test_attempt_without_servers_raises_value_error() -> None:
    with pytest.raises(ValueError, match="no servers"):
        Attempt([], 800)


def test_an_attempt_starts_once() -> None:
    attempt = Attempt([0], 800)
    attempt.start(0)
    with pytest.raises(ValueError, match="already started"):
        attempt.start(1)


def test_the_deadline_counts_from_the_start() -> None:
    attempt = Attempt([0], 800)
    attempt.start(7_000)
    assert attempt.deadline_ms == 7_000 + TOTAL_MS


def test_a_later_leg_keeps_the_deadline_of_the_first() -> None:
    attempt = Attempt([0, 1], 800)
    assert attempt.start(7_000, 7_500) == Send(0, 7_500)
    assert attempt.on_answer(NOERROR, True, 7_100) == AskByStream(0, 7_300)
    assert attempt.on_error(7_300) == Send(1, 7_500)
    assert attempt.on_timeout(7_500) == Exhausted(None)


def next_event(choice: int, rcode: int, delay_ms: int, now_ms: int, step: Step) -> Event:
    if choice == 0 and isinstance(step, Send | Wait):
        return Timeout(max(now_ms, step.wait_until_ms) + delay_ms % 50)
    if choice == 1:
        return Unreachable(now_ms + delay_ms)
    return Answer(rcode, choice == 2, now_ms + delay_ms)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.integers(0, 5_000),
    st.integers(0, 2**60),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 23), st.integers(0, 2_000)), max_size=12),
)
def test_sends_and_time_are_bounded_for_any_events(
    servers: Sequence[int], first_wait_ms: int, start_ms: int, events: list[tuple[int, int, int]]
) -> None:
    attempt = Attempt(servers, first_wait_ms)
    step: Step = attempt.start(start_ms)
    steps, now_ms, failed = [step], start_ms, False
    for choice, rcode, delay_ms in events:
        if isinstance(step, Accept | Exhausted):
            break
        event = next_event(choice, rcode, delay_ms, now_ms, step)
        failed |= isinstance(event, Answer) and event.rcode in FAIL_OVER_RCODES
        now_ms = event.now_ms
        step = play(attempt, event)
        steps.append(step)
    sends = [each for each in steps if isinstance(each, Send)]
    streams = [each for each in steps if isinstance(each, AskByStream)]
    assert len(sends) <= MAX_SENDS
    assert len(sends) + len(streams) <= MAX_SENDS + 1
    assert all(count <= MAX_SENDS_TO_ONE for count in Counter(each.server for each in sends).values())
    assert {each.server for each in sends} | {each.server for each in streams} <= set(servers)
    deadlines = [each.wait_until_ms for each in sends]
    assert deadlines == sorted(deadlines)
    assert all(start_ms < each <= start_ms + TOTAL_MS for each in deadlines)
    assert all(each.wait_until_ms <= max(start_ms + TOTAL_MS, now_ms) for each in streams)
    if isinstance(step, Exhausted):
        assert (step.last is not None) == failed


def test_late_failure_of_a_server_does_not_shorten_the_wait_for_another() -> None:
    attempt = Attempt([0, 1, 2], 800)
    attempt.start(0)
    assert attempt.on_timeout(800) == Send(1, 2_000)
    attempt.strike(SERVFAIL, 0)
    assert attempt.on_timeout(2_000) == Send(2, 3_600)
    assert attempt.on_timeout(3_600) == Send(1, 4_900)
    assert attempt.on_timeout(4_900) == Exhausted(SERVFAIL)


@pytest.mark.parametrize(("first_wait_ms", "ends_ms"), [(400, [400, 1000, 1500]), (1000, [1000, 1500])])
def test_hurried_attempt_gives_up_earlier_but_asks_a_second_server(first_wait_ms: int, ends_ms: list[int]) -> None:
    attempt = Attempt((0, 1), first_wait_ms)
    step: Step = attempt.start(10_000)
    attempt.hurry(10_000 + HURRIED_MS)
    for number, end_ms in enumerate(ends_ms):
        assert step == Send(number % 2, 10_000 + end_ms)
        step = attempt.on_timeout(10_000 + end_ms)
    assert step == Exhausted()


def raced(*servers: int) -> Attempt:
    """Return an attempt that asked its first two servers at once."""
    attempt = Attempt(servers, 800, rival=servers[1])
    assert attempt.rival is None
    assert attempt.start(0) == Send(servers[0], 800)
    assert attempt.rival == servers[1]
    attempt.race()
    assert (attempt.racers, attempt.rival) == ({servers[0], servers[1]}, None)
    return attempt


def test_race_that_nobody_wins_goes_on_with_the_next_server() -> None:
    attempt = raced(0, 1, 2)
    assert attempt.on_timeout(800) == Send(2, 800 + 1_600)
    assert attempt.racers == frozenset()
    assert attempt.on_timeout(2_400) == Send(0, 2_400 + 2_000)


def test_loser_of_a_race_is_not_asked_again() -> None:
    attempt = raced(0, 1)
    assert attempt.lose(0) == 1
    assert attempt.on_timeout(800) == Send(1, 800 + 1_600)
    assert attempt.on_answer(Rcode.SERVFAIL, False, 900) == Exhausted(Rcode.SERVFAIL)


def test_either_racer_may_answer() -> None:
    assert raced(0, 1).on_answer(Rcode.NOERROR, False, 10, 0) == Accept()
    assert raced(0, 1).on_answer(Rcode.NOERROR, False, 10, 1) == Accept()


def test_server_that_is_asked_by_stream_does_not_race() -> None:
    for encrypted in ([0], [1]):
        attempt = Attempt((0, 1), 800, encrypted=encrypted, rival=1)
        attempt.start(0)
        assert attempt.rival is None
        with pytest.raises(ValueError, match="no rival"):
            attempt.race()


def test_doubtful_answer_is_asked_for_by_stream_of_its_server() -> None:
    attempt = raced(0, 1, 2)
    assert attempt.on_doubt(1, "case", 100) == AskByStream(1, (100 + TOTAL_MS) // 2)
    assert not attempt.racers
    doubts = [attempt.is_doubted(server, reason) for server in (0, 1) for reason in ("case", "cookie")]
    assert doubts == [False, False, True, False]
    assert attempt.on_answer(Rcode.NOERROR, False, 200) == Accept()


def test_server_whose_stream_failed_after_a_doubt_is_asked_again_after_the_others() -> None:
    attempt = Attempt((0, 1), 800)
    attempt.start(0)
    attempt.on_doubt(0, "case", 10)
    assert attempt.on_error(20) == Send(1, 800 + 1_600)
    assert attempt.on_error(30) == Send(0, 2_400 + 2_000)
    assert attempt.on_error(40) == Exhausted()


def test_only_server_keeps_time_for_another_try_if_its_stream_hangs() -> None:
    attempt = Attempt((0,), 800)
    attempt.start(0)
    assert attempt.on_doubt(0, "case", 100) == AskByStream(0, (100 + TOTAL_MS) // 2)
    assert attempt.on_error(2_500) == Send(0, 2_500 + 1_600)


def test_bad_cookie_is_asked_about_once_more_and_then_by_stream() -> None:
    attempt = Attempt((0, 1), 800)
    attempt.start(0)
    assert attempt.on_bad_cookie(0, 10) == Send(0, 800 + 1_200)
    assert attempt.on_bad_cookie(0, 20) is None
    assert attempt.on_doubt(0, "cookie", 20) == AskByStream(0, (20 + TOTAL_MS) // 2)
