"""What work costs, without a clock: how many lines are run and functions called until it is done."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

from dnsfilter.errors import MalformedMessage

GROWTH = 2.2
"""How much more twice the bytes may cost; 2 is linear."""


def steps(work: Callable[[], object]) -> int:
    """How many lines are run, a loop's each time, and functions called, C's too, until the work is done or refused."""
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
    """Whether each of these costs, of messages that double in length, is about twice the one before."""
    return all(after <= GROWTH * before + 100 for before, after in pairwise(costs))
