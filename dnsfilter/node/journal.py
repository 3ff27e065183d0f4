"""What was done to this node by hand: an append-only file of JSON lines, numbered, on disk before the act has effect.

    {"number": 7, "time": "2026-09-30T22:00:00Z", "uid": 0, "act": "suspend", "authority": "ghent", …}
    {"reported": 7}

Commands append, the supervisor notes what the control plane has; a lock beside the file makes them take turns. A line
that a power cut left broken is passed over and counted: what it began to say never had effect.
"""

import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dnsfilter.errors import UnavailableError
from dnsfilter.node.privatefiles import FILE_MODE, read_private, replace_private, writing
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.disk import sync_directory

MAX_ENTRIES = 2_000
"""More are not kept: the oldest go first, those already reported before others."""
KEPT_REPORTED = 200
REASON_CHARS = 500
_SPARE = 500
"""How many entries too many may gather before the file is written anew."""
_MAX_LINE_OCTETS = 16_384
_MAX_FILE_OCTETS = 64 * 1024 * 1024


class Act(StrEnum):
    """What may be done to a node by hand."""

    SUSPEND = "suspend"
    END_SUSPENSION = "end_suspension"
    USE_REVISION = "use_revision"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `authority` None: all; `until` is of a suspension, `revision` of a snapshot that was chosen."""

    number: int
    time: Instant
    uid: int
    act: Act
    authority: str | None = None
    until: Instant | None = None
    revision: int | None = None
    reason: str = ""

    def value(self) -> dict[str, str | int | None]:
        """For JSON; times in RFC 3339 form."""
        until = None if self.until is None else instant_text(self.until)
        return {**asdict(self), "time": instant_text(self.time), "until": until, "act": self.act.value}


@dataclass(frozen=True, slots=True)
class _Content:
    """The file as read: its entries, up to which number they are reported, and how many lines are broken."""

    entries: tuple[Entry, ...] = ()
    reported: int = 0
    broken: int = 0
    is_open: bool = False
    """Whether the last line has no end."""

    @property
    def last(self) -> int:
        """The highest number ever given; what was reported may be gone from the file."""
        return max(self.reported, self.entries[-1].number if self.entries else 0)


class Journal:
    """The journal in one file, whose directory is made for its owner alone when something is first written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[tuple[int, int, int], _Content] | None = None

    def add(
        self,
        time: Instant,
        uid: int,
        act: Act,
        reason: str,
        *,
        authority: str | None = None,
        until: Instant | None = None,
        revision: int | None = None,
    ) -> Entry:
        """Write an act down, to last. Raises UnavailableError where that cannot be done: then it must not be done."""
        with self._writing("write the journal"):
            held = self._read()
            entry = Entry(held.last + 1, time, uid, act, authority, until, revision, reason[:REASON_CHARS])
            self._append(entry.value(), held.is_open)
            self._trim()
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All that are kept, oldest first. Raises UnavailableError when the file cannot be read."""
        return self._content().entries

    def unreported(self) -> tuple[Entry, ...]:
        """Those that the control plane does not have yet, oldest first. Raises UnavailableError."""
        held = self._content()
        return tuple(entry for entry in held.entries if entry.number > held.reported)

    def broken_lines(self) -> int:
        """How many lines cannot be read. Raises UnavailableError when the file cannot be."""
        return self._content().broken

    def mark_reported(self, number: int) -> None:
        """Note that the control plane has all up to that number. Raises UnavailableError."""
        with self._writing("note in the journal what is reported"):
            held = self._read()
            number = min(number, held.last)
            if number <= held.reported:
                return
            self._append({"reported": number}, held.is_open)
            self._trim()

    def _content(self) -> _Content:
        """The file, read again only where it has changed."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return _Content()
        except OSError as error:
            raise UnavailableError(f"read journal {self._path}: {error.strerror}") from error
        token = status.st_ino, status.st_mtime_ns, status.st_size
        if self._seen is None or self._seen[0] != token:
            self._seen = token, self._read()
        return self._seen[1]

    def _read(self) -> _Content:
        data = read_private(self._path, _MAX_FILE_OCTETS) or b""
        entries: list[Entry] = []
        reported = broken = 0
        for line in data.splitlines():
            match _parsed(line):
                case Entry() as entry if not entries or entry.number > entries[-1].number:
                    entries.append(entry)
                case int() as number:
                    reported = max(reported, number)
                case _:
                    broken += 1
        is_open = bool(data) and not data.endswith(b"\n")
        return _Content(tuple(entries), reported, broken, is_open)

    def _append(self, value: dict[str, Any], after_open_line: bool) -> None:
        line = ("\n" if after_open_line else "") + _line(value)
        is_new = not self._path.exists()
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE
        )
        with open(descriptor, "wb", buffering=0) as file:
            octets = line.encode()
            if file.write(octets) != len(octets):
                raise OSError(None, "the disk took a part of the line only")
            os.fsync(descriptor)
        if is_new:
            sync_directory(self._path.parent)

    def _trim(self) -> None:
        """Where much can go, keep what is not reported, as far as that is bounded, and the last of what is."""
        held = self._read()
        waiting = [entry for entry in held.entries if entry.number > held.reported][-MAX_ENTRIES:]
        told = [entry for entry in held.entries if entry.number <= held.reported][-KEPT_REPORTED:]
        if len(held.entries) <= len(waiting) + len(told) + _SPARE:
            return
        lines = [_line({"reported": held.reported}), *(_line(entry.value()) for entry in (*told, *waiting))]
        replace_private(self._path, "".join(lines).encode())

    def _writing(self, action: str) -> AbstractContextManager[None]:
        return writing(f"{action} {self._path}", self._path.with_suffix(".lock"))


def instant_text(at: Instant) -> str:
    """RFC 3339 in UTC, in whole seconds."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> Instant:
    """The instant of an RFC 3339 time with a zone; raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return int(at.timestamp())


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _parsed(line: bytes) -> Entry | int | None:
    """An entry, the number up to which all are reported, or None for a line that is neither."""
    if len(line) > _MAX_LINE_OCTETS:
        return None
    try:
        value = json.loads(line)
        if "reported" in value:
            return int(value["reported"])
        return Entry(
            int(value["number"]),
            parse_instant(value["time"]),
            int(value["uid"]),
            Act(value["act"]),
            _text_or_none(value["authority"]),
            None if value["until"] is None else parse_instant(value["until"]),
            None if value["revision"] is None else int(value["revision"]),
            str(value["reason"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
