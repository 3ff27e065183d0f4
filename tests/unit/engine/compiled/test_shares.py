"""The compiled engine lets the same questions give way as the reference."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.config.model import Limits
from dnsfilter.engine.room import MOST_EXCHANGES, OwnRoom
from tests.unit.engine.rooms import shared_room
from tests.unit.engine.test_shares import key

pytest.importorskip("dnsfilter.engine._engine")

LABELS = ("a", "b", "c")
names = st.builds(
    lambda first, rest: ".".join((f"x{first}", *rest)),
    st.integers(0, 9999),
    st.lists(st.sampled_from(LABELS), max_size=4),
)
questions = st.tuples(names, st.integers(0, 2), st.integers(0, 60))
spread = st.lists(questions, min_size=5, max_size=30)
steps = st.lists(st.tuples(questions, st.sampled_from((0, 1, 150, 400))), max_size=60)


@settings(max_examples=25, deadline=None)
@given(filling=spread, asked=steps)
def test_the_same_questions_give_way(
    filling: list[tuple[str, int, int]], asked: list[tuple[tuple[str, int, int], int]]
) -> None:
    limits = Limits(waiting_per_client=4096)
    rooms = OwnRoom(limits), shared_room(limits)
    for number in range(MOST_EXCHANGES):
        name, view, client = filling[number % len(filling)]
        for room in rooms:
            room.enter(bytes((10, 0, client, number % 3)), key(f"y{number}.{name}", view), number // 100)
    now_ms = 100
    for number, ((name, view, client), wait_ms) in enumerate(asked):
        now_ms += wait_ms
        opening, address = key(f"z{number}.{name}", view), bytes((10, 0, client, 0))
        leaving = rooms[0].giving_way(address, opening, now_ms)
        assert rooms[1].giving_way(address, opening, now_ms) == leaving
        for room in rooms:
            if leaving is not None:
                room.shut(leaving)
                room.enter(address, opening, now_ms)
