"""The request to forget cached answers: a file that the command writes and the supervisor takes.

    NODE_DIR/cache-flush.json    {"name": "www.example.org", "below": false}

Each request is taken once. The command waits for that, under a lock, so that no request replaces another.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import read_private, replace_private, writing
from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import ROOT, name_text, parse_name

FILE_NAME = "cache-flush.json"
TAKEN_S = 5.0
"""Seconds to wait for the supervisor, which looks every 20 ms."""
PAUSE_S = 0.02
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class WantedFlush:
    """The answers to forget: those about a name, or with `below` also about all names below it."""

    name: WireName
    below: bool

    def __str__(self) -> str:
        if self.below and self.name == ROOT:
            return "all answers"
        return f"answers about {name_text(self.name)}{' and all names below it' if self.below else ''}"


def request_flush(directory: Path, wanted: WantedFlush) -> None:
    """Write a request and wait until the running node has taken it. Raise UnavailableError if none does."""
    path = directory / FILE_NAME
    with writing(f"write {path}", path.with_suffix(".lock")):
        value = {"name": name_text(wanted.name), "below": wanted.below}
        replace_private(path, json.dumps(value).encode())
        deadline = time.monotonic() + TAKEN_S
        while path.exists():
            if time.monotonic() > deadline:
                path.unlink(missing_ok=True)
                raise UnavailableError(
                    "flush the cache: no running node took the request: type systemctl status dnsfilter"
                )
            time.sleep(PAUSE_S)


def take_flush(directory: Path) -> WantedFlush | None:
    """Return the request and remove it. None if there is none. Raise UnavailableError if it is not a request."""
    path = directory / FILE_NAME
    taken = path.with_suffix(".taken")
    try:
        os.rename(path, taken)
    except OSError:
        return None
    try:
        value = json.loads(read_private(taken, _MAX_BYTES) or b"")
        return WantedFlush(parse_name(value["name"]), value["below"] is True)
    except (ValueError, TypeError, KeyError) as error:
        raise UnavailableError(f"read {path}: it is not a request to flush the cache: {error}") from error
    finally:
        with suppress(OSError):
            taken.unlink()
