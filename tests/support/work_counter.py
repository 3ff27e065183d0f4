"""The cost of work, measured without a clock: the number of executed lines and function calls."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

from dnsfilter.errors import MalformedMessage

GROWTH = 2.2
"""The maximum cost ratio for twice the bytes. 2 is linear."""


def steps(work: Callable[[], object]) -> int:
    """Return how many lines and function calls it takes until the work is done or refused.

    Count a loop's lines each time, and calls of C functions too.
    """
    count = 0

    def line(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    def call(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(line)
    sys.setprofile(call)
    try:
        with contextlib.suppress(MalformedMessage):
            work()
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
    return count


def is_linear(costs: Sequence[int]) -> bool:
    """Return whether each cost is about twice the one before. The costs belong to messages that double in length."""
    return all(after <= GROWTH * before + 100 for before, after in pairwise(costs))
