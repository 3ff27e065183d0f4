"""Weights hold: of what is drawn, and of the steps, messages and names that tests draw by them."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import test_clients, test_sequences, test_upstreams
from tests.support.drawing import often, places
from tests.support.mutations import Mutant
from tests.support.policies import names_of, policy, service, wire

T = TypeVar("T")
LISTED = policy(service("tiktok", ("tok.example",)))


def shares(strategy: st.SearchStrategy[T], told: Callable[[T], Hashable]) -> dict[Hashable, float]:
    """Of what is drawn, the share that is told to be what; the same in every run.

    It is drawn many at a time: alone, what has been drawn would not come again.
    """
    found: Counter[Hashable] = Counter()

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(strategy, min_size=10, max_size=10))
    def count(values: list[T]) -> None:
        found.update(map(told, values))

    count()
    return {kind: number / found.total() for kind, number in found.items()}


@pytest.mark.parametrize("weights", [(1,), (3, 1), (1, 0, 2), (10, 3, 1, 2, 1)])
def test_a_place_is_there_as_often_as_its_weight_says(weights: tuple[int, ...]) -> None:
    found = Counter(places(weights))
    assert [found[place] for place in range(len(weights))] == list(weights)


def test_what_is_drawn_often_comes_often() -> None:
    found = shares(often((8, st.just("often")), (2, st.just("seldom"))), str)
    assert 0.65 < found["often"] < 0.95
    assert 0.05 < found["seldom"] < 0.35


def test_a_choice_among_choices_counts_as_one() -> None:
    found = shares(often((1, st.just("a")), (1, st.one_of(*map(st.just, "bcdefgh")))), str)
    assert 0.3 < found["a"] < 0.7


def _is_noise(message: Mutant) -> bool:
    return message.seed == message.octets.hex()


@pytest.mark.parametrize("messages", [test_clients.messages, test_upstreams.answers], ids=["queries", "answers"])
def test_most_messages_are_mutants(messages: st.SearchStrategy[Mutant]) -> None:
    assert 0.02 < shares(messages, _is_noise)[True] < 0.45


def test_most_steps_of_a_sequence_ask_or_say() -> None:
    found = shares(test_sequences.steps, lambda step: type(step).__name__)
    assert set(found) == {"Ask", "Say", "Fail", "Stream", "Wait", "Swap"}
    assert 0.45 < found["Ask"] + found["Say"] < 0.8


def test_most_names_are_those_of_the_policy() -> None:
    (listed,) = wire("tok.example")
    found = shares(names_of(LISTED), lambda name: name.endswith(listed))
    assert 0.5 < found[True] < 0.95
