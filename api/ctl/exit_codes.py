"""Exit codes, and the errors that carry them."""

from collections.abc import Sequence
from typing import ClassVar

DONE, FOUND, WRONG_INPUT, DENIED, UNREACHABLE, WAITING = range(6)
INTERRUPTED = 130
"""128 + SIGINT, the convention of shells."""


class CtlError(Exception):
    """Base of errors that end a command. Each of `lines` is one line for standard error, not yet escaped."""

    code: ClassVar[int]

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines: Sequence[str] = lines


class NotInForce(CtlError):
    """The act is recorded, but its snapshot is not published yet. Do not repeat the act."""

    code = FOUND


class Withheld(CtlError):
    """The act would do more than the request allows, so nothing was done."""

    code = FOUND


class WrongInput(CtlError):
    """The request is malformed, names an unknown object, or contradicts what is recorded."""

    code = WRONG_INPUT


class Denied(CtlError):
    """No token is available, or the control plane refuses the request for lack of permission."""

    code = DENIED


class TokenRejected(Denied):
    """The control plane does not know the token, or the token has ended or was revoked."""


class Unreachable(CtlError):
    """No control plane answers at the URL, or it cannot answer now."""

    code = UNREACHABLE
