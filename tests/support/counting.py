"""What work costs, without a clock: how many functions are called until it is done."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

from dnsfilter.errors import MalformedMessage

GROWTH = 2.2
"""How much more twice the octets may cost; 2 is linear."""


def calls(work: Callable[[], object]) -> int:
    """How many functions, Python's and C's, are called until the work is done or found malformed."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with contextlib.suppress(MalformedMessage):
            work()
    finally:
        sys.setprofile(before)
    return count


def is_linear(costs: Sequence[int]) -> bool:
    """Whether each of these costs, of messages that double in length, is about twice the one before."""
    return all(after <= GROWTH * before + 100 for before, after in pairwise(costs))
