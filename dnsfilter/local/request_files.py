"""Requests of a command to the running node: a JSON file that the command writes and the supervisor takes once.

The command waits until the node has taken it, under a lock, so that no request replaces another.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import read_private, replace_private, writing

TAKEN_S = 5.0
"""Seconds to wait for the supervisor, which looks every 40 ms."""
_PAUSE_S = 0.02
_MAX_BYTES = 4096


def make_request(path: Path, value: Mapping[str, object], what: str) -> None:
    """Write a request and wait until the running node has taken it. Raise UnavailableError if none does.

    `what` names the request in the error.
    """
    with writing(f"write {path}", path.with_suffix(".lock")):
        try:
            replace_private(path, json.dumps(value).encode())
            deadline = time.monotonic() + TAKEN_S
            while path.exists():
                if time.monotonic() > deadline:
                    raise UnavailableError(f"{what}: no running node took the request: type systemctl status dnsfilter")
                time.sleep(_PAUSE_S)
        finally:
            path.unlink(missing_ok=True)  # the next start must not find it


def take_request(path: Path) -> Any:
    """Return the value of a request and remove it. None if there is none. Raise ValueError if the file is not JSON."""
    taken = path.with_suffix(".taken")
    try:
        os.rename(path, taken)
    except OSError:
        return None
    try:
        return json.loads(read_private(taken, _MAX_BYTES) or b"")
    finally:
        with suppress(OSError):
            taken.unlink()
