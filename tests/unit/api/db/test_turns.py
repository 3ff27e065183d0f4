"""One writer at a time, and acts before background work."""

from threading import Thread
from time import sleep

import pytest

from api.db.turns import Turns


def _waits(turns: Turns, count: int) -> None:
    """Wait until that many acts wait."""
    while turns._waiting_acts != count:
        sleep(0.001)


def test_acts_go_before_background_work_that_asked_earlier() -> None:
    turns, order = Turns(), list[str]()

    def act() -> None:
        with turns.turn():
            order.append("act")

    def job() -> None:
        # One transaction after the other, as a job with much to do.
        for _ in range(3):
            with turns.turn(is_background=True):
                order.append("job")

    threads = [Thread(target=job), Thread(target=act), Thread(target=act)]
    with turns.turn():
        for thread in threads:
            thread.start()
        _waits(turns, 2)
    for thread in threads:
        thread.join()
    assert order == ["act", "act", "job", "job", "job"]


def test_job_gives_its_turn_to_an_act_that_waits() -> None:
    turns, order = Turns(), list[str]()

    def act() -> None:
        with turns.turn():
            order.append("act")

    other = Thread(target=act)
    for number in range(3):
        with turns.turn(is_background=True):
            if number == 0:
                other.start()
                _waits(turns, 1)
            order.append("job")
    other.join()
    assert order == ["job", "act", "job", "job"]


@pytest.mark.parametrize("is_background", [True, False])
def test_turn_ends_with_an_error(*, is_background: bool) -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(is_background=is_background):
        raise ZeroDivisionError
    with turns.turn(is_background=True):
        pass


def test_a_free_turn_is_held_and_a_taken_one_is_not_waited_for() -> None:
    turns = Turns()
    with turns.free_turn() as first:
        with turns.free_turn() as second:
            assert (first, second) == (True, False)
        with turns.free_turn() as third:
            assert not third, "a turn that was not held must not be ended"
    with turns.turn(), turns.free_turn() as other:
        assert not other
    with turns.free_turn() as again:
        assert again
