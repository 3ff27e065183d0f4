"""The request to forget cached answers.

It is NODE_DIR/cache-flush.json {"name": "example.org", "below": true} (request_files.py).
"""

from dataclasses import dataclass
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.local.request_files import make_request, take_request
from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import ROOT, name_text, parse_name

FILE_NAME = "cache-flush.json"


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
    """Have the running node forget these answers. Raise UnavailableError if none takes the request."""
    value = {"name": name_text(wanted.name), "below": wanted.below}
    make_request(directory / FILE_NAME, value, "flush the cache")


def take_flush(directory: Path) -> WantedFlush | None:
    """Return the request and remove it. None if there is none. Raise UnavailableError if it is not a request."""
    path = directory / FILE_NAME
    try:
        value = take_request(path)
        return None if value is None else WantedFlush(parse_name(value["name"]), value["below"] is True)
    except (ValueError, TypeError, KeyError) as error:
        raise UnavailableError(f"read {path}: it is not a request to flush the cache: {error}") from error
