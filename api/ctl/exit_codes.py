"""What a command can end with besides success: exit codes, and the errors that carry them."""

from collections.abc import Sequence
from typing import ClassVar

DONE, FOUND, WRONG_INPUT, DENIED, UNREACHABLE = range(5)
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class CtlError(Exception):
    """Base of what ends a command; each of `lines` is one line for standard error, not yet escaped."""

    code: ClassVar[int]

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines: Sequence[str] = lines


class NotInForce(CtlError):
    """The act is recorded, but its snapshot is not yet published: nothing to repeat, something to look at."""

    code = FOUND


class Withheld(CtlError):
    """More would be done than was allowed, and so nothing is."""

    code = FOUND


class WrongInput(CtlError):
    """What was asked for does not exist, contradicts the record, or is not well formed."""

    code = WRONG_INPUT


class Denied(CtlError):
    """There is no token, or the control plane does not take it."""

    code = DENIED


class NotTaken(Denied):
    """The control plane does not know the token, or no longer takes it."""


class Unreachable(CtlError):
    """Nothing at the URL answers as a control plane does."""

    code = UNREACHABLE
