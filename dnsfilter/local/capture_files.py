"""The files of captures: each has the recorded queries of one range, and deletes itself.

`7.jsonl` begins with a line about the capture, then has a line for each query, and one when the capture has ended:

    {"capture": 7, "authority": "ghent", "range": "10.1.0.0/16", "start": "2026-09-30T22:00:00Z", "delete": "…"}
    {"time": "2026-09-30T22:00:07Z", "client": "10.1.2.3", "transport": "udp", "name": "www.example.org", …}
    {"end": "2026-09-30T22:30:00Z", "dropped": 0}

Boot time decides when a capture ends and its file is deleted, after a restart from the times in the file. The control
plane is needed to begin, never to end. It lists the captures whose files may exist: any other file is deleted.
"""

import json
import logging
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from dnsfilter.engine.interface import Capture, Captured, CapturedQuery
from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import FILE_MODE, make_private
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.bounds import CAPTURE_KEPT_S, MAX_CAPTURE_S, MOST_CAPTURES
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.telemetry import logs

DIRECTORY = "captures"
"""The directory's name, in a node's own directory."""
MAX_BYTES = 32 * 1024 * 1024
"""Maximum size of a file, without its last line. Later queries are dropped and counted."""
LAST_MS = 1_000
"""Milliseconds after the end of a capture in which workers report the last queries."""
_MAX_HEADER = 4_096
_LONGEST_S = MAX_CAPTURE_S + CAPTURE_KEPT_S
_SLUG = re.compile(r"[a-z0-9_-]{1,63}")
_NEVER_MS = 2**63
_MOST_NUMBER = 2**31 - 1
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """A capture as the control plane lists it, and the boot time at which its file is deleted."""

    capture: Capture
    delete_ms: int


def parse_orders(values: object, boot_ms: int) -> tuple[CaptureOrder, ...]:
    """Return the captures of an answer that arrived at `boot_ms`. Raise ValueError if they are invalid.

    No capture lasts longer than an hour from now, and no file longer than a day after that.
    """
    if not isinstance(values, list) or len(values) > MOST_CAPTURES:
        raise ValueError(f"not a list of at most {MOST_CAPTURES} captures")
    try:
        return tuple(_order(value, boot_ms) for value in values)
    except (LookupError, TypeError) as error:
        raise ValueError(f"a capture is invalid: {error}") from error


def _order(value: Any, boot_ms: int) -> CaptureOrder:
    number, authority, prefix = value["number"], value["authority"], value["prefix"]
    for_s, delete_s = value["for_s"], value["delete_s"]
    if not all(type(each) is int and 0 <= each <= _MOST_NUMBER for each in (number, for_s, delete_s)):
        raise ValueError("a capture has an invalid number or duration")
    if not _SLUG.fullmatch(authority):
        raise ValueError("a capture has an invalid authority")
    end_ms = boot_ms + 1000 * min(for_s, MAX_CAPTURE_S)
    capture = Capture(number, authority, str(ip_network(prefix)), end_ms)
    return CaptureOrder(capture, boot_ms + 1000 * min(delete_s, _LONGEST_S))


@dataclass(slots=True)
class _Held:
    """A file. `capture` is None if it is from before a restart, and no answer has listed its capture since."""

    path: Path
    delete_ms: int
    end_ms: int = _NEVER_MS
    capture: Capture | None = None
    file: int | None = None
    dropped: int = 0
    is_ended: bool = False

    def write(self, queries: Sequence[CapturedQuery]) -> None:
        """Append the queries if the file is open and has room. If not, count them."""
        if self.file is None or not queries:
            return
        data = b"".join(_line(_shown(query)) for query in queries)
        try:
            if os.fstat(self.file).st_size + len(data) <= MAX_BYTES and os.write(self.file, data) == len(data):
                return
        except OSError as error:
            if self.dropped == 0:
                logs.emit(_LOG, logging.ERROR, "capture not written", file=self.path, reason=error)
        self.dropped += len(queries)


class CaptureFiles:
    """The files below a node's own directory. Call `look` often."""

    def __init__(self, node_dir: Path) -> None:
        self._directory = node_dir / DIRECTORY
        self._held: dict[int, _Held] = {}
        self._orders: Sequence[CaptureOrder] | None = None
        self._failed: set[int] = set()
        self._is_restored = False
        self.in_force: tuple[Capture, ...] = ()

    def _restore(self, now: ClockReading) -> None:
        """Find the files of an earlier process. Delete those that are due, and those that are not files of captures."""
        with suppress(FileNotFoundError):
            for path in sorted(self._directory.iterdir()):
                left_s = _seconds_left(path, now)
                held = _Held(path, now.boot_ms + 1000 * left_s)
                if left_s > 0:
                    self._held[int(path.stem)] = held
                else:
                    _delete(held)

    def look(self, recorded: Iterable[Captured], orders: Sequence[CaptureOrder] | None, now: ClockReading) -> bool:
        """Write what was recorded, and begin, end and delete what is due. Return whether `in_force` has changed.

        The first call finds the files of an earlier process.

        `orders` are the newest of the control plane. None: it has not answered since the start.
        """
        if not self._is_restored:
            self._is_restored = True
            self._restore(now)
        self.write(recorded)
        if orders is not None and orders is not self._orders:
            self._orders = orders
            self._follow(orders, now)
        for number, held in list(self._held.items()):
            if now.boot_ms >= min(held.end_ms + LAST_MS, held.delete_ms):
                self._end(held, now)
            if now.boot_ms >= held.delete_ms:
                _delete(held)
                del self._held[number]
        before, self.in_force = self.in_force, tuple(self._recording(now.boot_ms))
        return self.in_force != before

    def _recording(self, boot_ms: int) -> Iterable[Capture]:
        for held in self._held.values():
            if held.capture is not None and held.file is not None and held.end_ms > boot_ms:
                yield replace(held.capture, end_ms=held.end_ms)

    def _follow(self, orders: Sequence[CaptureOrder], now: ClockReading) -> None:
        listed = {order.capture.number: order for order in orders}
        for number, held in self._held.items():
            if number not in listed:
                held.delete_ms = 0
        for number, order in listed.items():
            held = self._held.get(number) or _Held(self._directory / f"{number}.jsonl", order.delete_ms)
            # Answers take time to arrive, so a later one may not prolong.
            held.end_ms = min(held.end_ms, order.capture.end_ms)
            held.delete_ms = min(held.delete_ms, order.delete_ms)
            if held.file is None and not held.is_ended and held.end_ms > now.boot_ms:
                self._begin(held, order.capture, now)

    def _begin(self, held: _Held, capture: Capture, now: ClockReading) -> None:
        """Open the file. If that fails, log it once. The next answer tries again."""
        header = {
            "capture": capture.number,
            "authority": capture.authority,
            "range": capture.prefix,
            "start": instant_text(now.instant),
            "delete": instant_text(now.instant + (held.delete_ms - now.boot_ms) // 1000),
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            make_private(self._directory)
            held.file = os.open(held.path, flags, FILE_MODE)
            if os.fstat(held.file).st_size == 0:
                os.write(held.file, _line(header))
        except (OSError, UnavailableError) as error:
            if capture.number not in self._failed:
                self._failed.add(capture.number)
                logs.emit(_LOG, logging.ERROR, "capture not recorded", capture=capture.number, reason=error)
            return
        held.capture = capture
        self._held[capture.number] = held
        for_s = (held.end_ms - now.boot_ms) // 1000
        logs.emit(_LOG, logging.WARNING, "capture started", capture=capture.number, range=capture.prefix, for_s=for_s)

    @staticmethod
    def _end(held: _Held, now: ClockReading) -> None:
        held.is_ended = True
        if held.file is None:
            return
        with suppress(OSError):
            os.write(held.file, _line({"end": instant_text(now.instant), "dropped": held.dropped}))
        os.close(held.file)
        held.file = None
        logs.emit(_LOG, logging.WARNING, "capture ended", file=held.path, dropped=held.dropped)

    def write(self, recorded: Iterable[Captured]) -> None:
        """Append recorded queries to the files of their captures. Count those without room."""
        for captured in recorded:
            for number, held in self._held.items():
                held.dropped += captured.dropped.get(number, 0)
                held.write([each for each in captured.queries if each.capture == number])

    def close(self) -> None:
        """Close the files. They stay, and another process restores them."""
        for held in self._held.values():
            if held.file is not None:
                os.close(held.file)
                held.file = None


def _seconds_left(path: Path, now: ClockReading) -> int:
    """Return how long the file may stay. 0 if it is not a file of a capture, or from a clock that was ahead."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            header = json.loads(file.readline(_MAX_HEADER))
        if path.name != f"{int(header['capture'])}.jsonl":
            return 0
        left_s = parse_instant(header["delete"]) - now.instant
    except (OSError, ValueError, LookupError, TypeError):
        return 0
    return left_s if left_s <= _LONGEST_S else 0


def _delete(held: _Held) -> None:
    try:
        held.path.unlink(missing_ok=True)
    except OSError as error:
        logs.emit(_LOG, logging.ERROR, "capture not deleted", file=held.path, reason=error)
        return
    logs.emit(_LOG, logging.WARNING, "capture deleted", file=held.path)


def _shown(query: CapturedQuery) -> dict[str, object]:
    return {
        "time": instant_text(query.at_s),
        "client": query.client,
        "transport": query.transport,
        "name": query.name,
        "type": query.qtype,
        "verdict": query.verdict,
        "rcode": query.rcode,
        "ede": query.ede,
    }


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(", ", ": ")).encode() + b"\n"
