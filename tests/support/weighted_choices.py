"""Choices that are drawn as often as their weights say."""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def often(*choices: tuple[int, st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """Draw from one of these strategies, each as often as the number before it says.

    `one_of` takes no weights: it looks into its arguments, and drops duplicates.
    """
    strategies = [strategy for _, strategy in choices]
    return st.sampled_from(indexes([weight for weight, _ in choices])).flatmap(strategies.__getitem__)


def indexes(weights: Sequence[int]) -> list[int]:
    """Return the index of each weight, repeated as often as the weight says."""
    return [index for index, weight in enumerate(weights) for _ in range(weight)]
