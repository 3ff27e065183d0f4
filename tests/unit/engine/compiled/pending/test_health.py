"""The health of servers in C equals that of `upstream.health.Health` after any events."""

from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.upstream.health import EXPLORE_EVERY
from dnsfilter.upstream.health import Health as Mirrored

engine = pytest.importorskip("dnsfilter.engine._engine")

COUNT = 4
Events = list[tuple[str, int, int, int]]
"""Events: name, server, milliseconds since the event before, round-trip time."""

events = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "succeeded",
                "failed",
                "failed",
                "failed",
                "order",
                "order",
                "order by speed",
                "order by speed",
                "sent",
                "heard",
                "due",
                "missed_probe",
                "missed_probe",
                "answered_probe",
                "has_edns",
                "lacks_edns",
                "keeps_case",
                "changes_case",
                "has_cookie",
            )
        ),
        st.integers(0, COUNT - 1),
        st.one_of(st.integers(0, 50), st.integers(0, 70_000), st.integers(899_990, 900_010)),
        st.one_of(st.integers(100, 330), st.integers(0, 2_000), st.integers(0, 2**40)),
    ),
    max_size=60,
)


def known(health: Any, now_ms: int) -> list[Any]:
    servers = [health.first_wait_ms(n) for n in range(COUNT)]
    dead = [(health.all_dead((n,)), health.all_gone((n,), now_ms), health.may_try((n,), now_ms)) for n in range(COUNT)]
    failures = [health.consecutive_failures(n) for n in range(COUNT)]
    return [*servers, *dead, *failures, health.all_dead(range(COUNT)), health.next_probe_ms(), health.recoveries]


@given(happened=events)
def test_health_matches_the_reference(happened: Events) -> None:
    ours, theirs, now_ms = engine.Health(COUNT), Mirrored(COUNT), 1_000
    for what, server, later_ms, rtt_ms in happened:
        now_ms += later_ms
        if what.startswith("order"):
            servers, fastest = tuple((server + step) % COUNT for step in range(COUNT)), what == "order by speed"
            for _ in range(1 + 20 * fastest):  # so that some explore
                assert ours.order(servers, now_ms, fastest=fastest) == theirs.order(servers, now_ms, fastest=fastest)
        elif what == "due":
            assert ours.due(now_ms) == theirs.due(now_ms)
        else:
            cookie = bytes([rtt_ms % 2]) * (8 + rtt_ms % 33)
            given = {
                "missed_probe": (server,),
                "heard": (server,),
                "succeeded": (server, rtt_ms, now_ms),
                "has_cookie": (server, cookie, now_ms),
            }.get(what, (server, now_ms))
            for _ in range(8 if what in ("sent", "heard") else 1):
                getattr(ours, what)(*given)
                getattr(theirs, what)(*given)
        assert known(ours, now_ms) == known(theirs, now_ms)
        assert [ours.may_race(n, now_ms) for n in range(COUNT)] == [theirs.may_race(n, now_ms) for n in range(COUNT)]
        assert [ours.is_plain(n, now_ms) for n in range(COUNT)] == [theirs.is_plain(n, now_ms) for n in range(COUNT)]
        for one in range(COUNT):
            assert ours.expects_cookie(one, now_ms) == theirs.expects_cookie(one, now_ms)
            assert ours.cookie_for(one, bytes(8)) == theirs.cookie_for(one, bytes(8))
        assert [ours.is_lower(n, now_ms) for n in range(COUNT)] == [theirs.is_lower(n, now_ms) for n in range(COUNT)]


MAKERS = pytest.mark.parametrize("make", [Mirrored, engine.Health], ids=["reference", "compiled"])


@MAKERS
@pytest.mark.parametrize(
    ("rtts", "usual_ms"),
    [
        ((), 100),
        ((5,), 50),
        ((200,), 600),
        ((200, 100), 587.5),
        ((200, 320), 635),
        ((320, 200, 200), 846.875),
        ((9_000,), 27_000),
    ],
)
def test_first_waits_and_order_follow_the_round_trip_times(make: Any, rtts: tuple[int, ...], usual_ms: float) -> None:
    """The first wait shows times between its bounds; the order shows times outside them too."""
    health = make(2)
    for rtt_ms in rtts:
        health.succeeded(0, rtt_ms, 1_000)
    if 400 <= usual_ms <= 1_000:
        assert health.first_wait_ms(0) == int(usual_ms)
    for _ in range(8):
        health.sent(0, 2_000)
    quiet_ms = 2_000 + ceil(usual_ms)
    assert health.order((0, 1), quiet_ms - 1) == (0, 1)
    assert health.order((0, 1), quiet_ms) == (1, 0)
    health.heard(0)
    assert health.order((0, 1), quiet_ms) == (0, 1)


@MAKERS
def test_the_order_follows_which_servers_are_healthy(make: Any) -> None:
    health = make(2)
    for _ in range(2):
        health.failed(0, 1_000)
    assert health.order((0, 1), 1_000) == (0, 1)
    health.failed(0, 1_000)
    assert [health.order((0, 1), now_ms) for now_ms in (1_000, 5_999)] == [(1, 0)] * 2
    assert [health.order((0, 1), 6_000) for _ in range(2)] == [(0, 1), (1, 0)]  # tried once
    health.failed(0, 6_000)
    assert [health.order((0, 1), now_ms) for now_ms in (15_999, 16_000)] == [(1, 0), (0, 1)]
    health.missed_probe(0)
    assert health.order((0, 1), 100_000) == (1, 0)
    health.answered_probe(0, 100_000)
    assert health.order((0, 1), 100_000) == (0, 1)
    assert health.order((0, 1), 100_000) == (1, 0)
    health.succeeded(0, 10, 100_001)
    assert [health.order((0, 1), 100_001) for _ in range(2)] == [(0, 1)] * 2


@MAKERS
def test_the_fastest_server_is_first_and_others_are_tried_in_turn(make: Any) -> None:
    health = make(3)
    for server, rtt_ms in ((0, 30), (1, 10), (2, 20)):
        health.succeeded(server, rtt_ms, 1_000)
    orders = [health.order((0, 1, 2), 1_000, fastest=True) for _ in range(4 * EXPLORE_EVERY)]
    others = [order for order in orders if order != (1, 2, 0)]
    assert others == [(0, 1, 2), (2, 1, 0), (0, 1, 2), (2, 1, 0)]
    assert [number for number, order in enumerate(orders, 1) if order != (1, 2, 0)] == [
        EXPLORE_EVERY * explored for explored in (1, 2, 3, 4)
    ]
    assert health.order((0, 1, 2), 1_000) == (0, 1, 2)


@MAKERS
def test_failing_server_races_only_when_it_is_tried(make: Any) -> None:
    health = make(2)
    for _ in range(3):
        assert health.may_race(1, 1_000)
        health.failed(1, 1_000)
    assert not health.may_race(1, 1_000)
    health.order((0, 1), 6_000)
    assert health.may_race(1, 6_000)
    assert not health.may_race(1, 6_001)


@MAKERS
def test_unknown_servers_are_tried_before_the_fastest_and_failing_ones_after_all(make: Any) -> None:
    health = make(3)
    health.succeeded(0, 10, 1_000)
    assert health.order((0, 1, 2), 1_000, fastest=True) == (1, 2, 0)
    for _ in range(3):
        health.failed(1, 1_000)
    assert health.order((0, 1, 2), 1_000, fastest=True) == (2, 0, 1)


@pytest.mark.parametrize("server", [-1, COUNT, 2**31 - 1])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("failed", (0,)),
        ("succeeded", (1, 0)),
        ("first_wait_ms", ()),
        ("is_plain", (0,)),
        ("missed_probe", ()),
        ("may_race", (0,)),
        ("consecutive_failures", ()),
    ],
)
def test_unknown_server_number_is_an_error(method: str, rest: tuple[int, ...], server: int) -> None:
    with pytest.raises(IndexError):
        getattr(engine.Health(COUNT), method)(server, *rest)


def test_order_of_an_unknown_server_is_an_error() -> None:
    with pytest.raises(IndexError):
        engine.Health(COUNT).order((0, COUNT), 0)
