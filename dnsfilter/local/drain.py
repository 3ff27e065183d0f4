"""Drain this node: it is not ready any more, answers on for some seconds, and ends.

The command writes a file, which the supervisor takes once. A restart ends the state, so no machine starts withdrawn.

    NODE_DIR/drain.json    {"for_s": 10}
"""

import json
import logging
import time
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import read_private, replace_private, writing
from dnsfilter.telemetry import logs

FILE_NAME = "drain.json"
MOST_S = 3600
TAKEN_S = 5.0
"""Seconds to wait for the supervisor, which looks every 20 ms."""
_PAUSE_S = 0.02
_MAX_BYTES = 4096
_LOG = logging.getLogger("dnsfilter.node")


def request_drain(directory: Path, for_s: int) -> None:
    """Write a request and wait until the running node has taken it. Raise UnavailableError if none does."""
    path = directory / FILE_NAME
    with writing(f"write {path}", path.with_suffix(".lock")):
        replace_private(path, json.dumps({"for_s": for_s}).encode())
        deadline = time.monotonic() + TAKEN_S
        while path.exists():
            if time.monotonic() > deadline:
                path.unlink(missing_ok=True)
                raise UnavailableError("drain: no running node took the request: type systemctl status dnsfilter")
            time.sleep(_PAUSE_S)


def take_drain(directory: Path) -> int | None:
    """Return for how many seconds to drain, and remove the request. None if there is none.

    Raise UnavailableError if the file is not a request, or cannot be removed.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return None
    try:
        data = read_private(path, _MAX_BYTES)
        path.unlink()
        for_s = json.loads(data or b"")["for_s"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnavailableError(f"read {path}: it is not a request to drain: {error}") from error
    if type(for_s) is not int or not 0 <= for_s <= MOST_S:
        raise UnavailableError(f"read {path}: {for_s!r} is not a number of seconds up to {MOST_S}")
    return for_s


class Drain:
    """The state in the running node. Call `look` with every pass of the supervisor's loop."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._trouble = ""

    @property
    def began(self) -> bool:
        """Return whether the node is withdrawn."""
        return self._until is not None

    def look(self, now: float, directory: Path) -> bool:
        """Take a request, if there is one. Return whether the node must end now."""
        try:
            for_s = take_drain(directory)
        except UnavailableError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                logs.emit(_LOG, logging.ERROR, "not drained", reason=error)
            return False
        if for_s is not None:
            self._until = now + for_s
            logs.emit(_LOG, logging.WARNING, "drain started, node is not ready", ends_in_s=for_s)
        return self._until is not None and now >= self._until
