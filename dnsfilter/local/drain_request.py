"""Drain this node: it is not ready any more, answers on for some seconds, and ends.

The request is NODE_DIR/drain.json {"for_s": 10} (request_files.py). A restart ends the state, so no machine starts
withdrawn.
"""

import logging
from contextlib import suppress
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.local.request_files import make_request, take_request
from dnsfilter.telemetry import logs

FILE_NAME = "drain.json"
MOST_S = 3600
_LOG = logging.getLogger("dnsfilter.node")


def request_drain(directory: Path, for_s: int) -> None:
    """Withdraw the running node. Raise UnavailableError if none takes the request."""
    make_request(directory / FILE_NAME, {"for_s": for_s}, "drain")


def forget_drain(directory: Path) -> None:
    """Remove a request that no node took. It does not concern the node that starts now."""
    with suppress(OSError):
        (directory / FILE_NAME).unlink(missing_ok=True)


def take_drain(directory: Path) -> int | None:
    """Return for how many seconds to drain, and remove the request. None if there is none.

    Raise UnavailableError if it is not a request.
    """
    path = directory / FILE_NAME
    try:
        value = take_request(path)
        for_s = None if value is None else value["for_s"]
    except (ValueError, TypeError, KeyError) as error:
        raise UnavailableError(f"read {path}: it is not a request to drain: {error}") from error
    if for_s is not None and (type(for_s) is not int or not 0 <= for_s <= MOST_S):
        raise UnavailableError(f"read {path}: {for_s!r} is not a number of seconds up to {MOST_S}")
    return for_s


class Drain:
    """The state in the running node. Call `look` with every pass of the supervisor's loop."""

    def __init__(self) -> None:
        self._until: float | None = None

    @property
    def began(self) -> bool:
        """Return whether the node is withdrawn."""
        return self._until is not None

    def look(self, now: float, directory: Path) -> bool:
        """Take a request, if there is one. Return whether the node must end now."""
        try:
            for_s = take_drain(directory)
        except UnavailableError as error:
            logs.emit(_LOG, logging.ERROR, "not drained", reason=error)
            return False
        if for_s is not None:
            self._until = now + for_s
            logs.emit(_LOG, logging.WARNING, "drain started, node is not ready", ends_in_s=for_s)
        return self._until is not None and now >= self._until
