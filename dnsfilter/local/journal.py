"""What was done to this node by hand: an append-only file of JSON lines, numbered, on disk before the act has effect.

    {"number": 7, "time": "2026-09-30T22:00:00Z", "uid": 0, "act": "suspend", "authority": "ghent", …}
    {"reported": 7, "from": 0, "enrolment": "5f0c…"}

Commands append, the supervisor notes what the control plane has, as it says itself; a lock beside the file makes them
take turns. A line that a power cut left broken, or that no act can have written, is passed over and counted, which the
log tells: what it began to say never had effect.
"""

import json
import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import FILE_MODE, read_private, replace_private, writing
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.stored.disk import sync_directory

JOURNAL_NAME = "journal.jsonl"
"""In a node's own directory."""
MAX_ENTRIES = 2_000
"""More are not kept: the oldest go first, those already reported before others."""
KEPT_REPORTED = 200
REASON_CHARS = 500
MOST_UID = 2**32 - 2
"""The one above stands for no user (chown(2))."""
MOST_NUMBER = 2**53 - 1
"""The largest whole number that every program reads exactly in JSON (RFC 8259, section 6)."""
MOST_AHEAD = 1_000_000
"""The control plane moves numbers at most so far above those of this journal: nobody at its wire uses them up."""
_MOST_REVISION = 2**63 - 1
_SLUG = re.compile(r"[a-z0-9_-]{1,63}")
_SPARE = 500
"""How many entries too many may gather before the file is written anew."""
_MAX_LINE_BYTES = 16_384
_MAX_FILE_BYTES = 64 * 1024 * 1024


class Act(StrEnum):
    """What may be done to a node by hand."""

    SUSPEND = "suspend"
    END_SUSPENSION = "end_suspension"
    USE_REVISION = "use_revision"
    UNQUARANTINE = "unquarantine"


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
class _Mark:
    """Up to which number entries are reported; none up to `base` is told to the control plane of this enrolment."""

    reported: int = 0
    base: int = 0
    enrolment: str = ""

    def value(self) -> dict[str, int | str]:
        return {"reported": self.reported, "from": self.base, "enrolment": self.enrolment}


@dataclass(frozen=True, slots=True)
class _Content:
    """The file as read: its entries, which are reported, and how many lines are broken."""

    entries: tuple[Entry, ...] = ()
    mark: _Mark = _Mark()
    broken: int = 0
    is_open: bool = False
    """Whether the last line has no end."""

    @property
    def last(self) -> int:
        """The highest number ever given; what was reported may be gone from the file."""
        return max(self.mark.reported, self.entries[-1].number if self.entries else 0)

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """Those that are not reported."""
        return tuple(entry for entry in self.entries if entry.number > self.mark.reported)


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
        uid = min(max(uid, 0), MOST_UID)
        with self._writing("write the journal"):
            held = self._read()
            if held.last >= MOST_NUMBER:
                raise UnavailableError(f"write the journal {self._path}: its numbers are used up: move it elsewhere")
            entry = Entry(held.last + 1, time, uid, act, authority, until, revision, reason[:REASON_CHARS])
            self._append(entry.value(), held.is_open)
            self._trim()
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All that are kept, oldest first. Raises UnavailableError when the file cannot be read."""
        return self._content().entries

    def unreported(self) -> tuple[Entry, ...]:
        """Those that the control plane does not have yet, oldest first. Raises UnavailableError."""
        return self._content().waiting

    def broken_lines(self) -> int:
        """How many lines cannot be read. Raises UnavailableError when the file cannot be."""
        return self._content().broken

    def mark_reported(self, number: int, told: int = MOST_NUMBER, enrolment: str = "") -> None:
        """Note that the control plane has all up to that number, as it says, and to whom. Raises UnavailableError.

        Below what it had, as after a restore: what is kept from there on is unreported again, unless it was told to
        another enrolment. Above what it had or was `told`: this journal is not the one that it knows, which is lost;
        what is unreported here goes on above that number, unless that is more than MOST_AHEAD above this journal's.
        """
        with self._writing("note in the journal what is reported"):
            held = self._read()
            if number > min(held.last + MOST_AHEAD, MOST_NUMBER - len(held.waiting)):
                raise UnavailableError(
                    f"note in the journal {self._path} what is reported: the control plane says that {number} is, "
                    f"far above {held.last}, the last here: enrol this node again"
                )
            before = held.mark
            base = before.base if enrolment == before.enrolment else before.reported
            mark = _Mark(max(number, base), base, enrolment)
            if mark == before or (not mark.reported and not held.entries):
                return
            if number > max(told, before.reported) and held.waiting:
                self._renumber(held, mark)
                return
            self._append(mark.value(), held.is_open)
            self._trim()

    def _renumber(self, held: _Content, mark: _Mark) -> None:
        told = [entry for entry in held.entries if entry.number <= held.mark.reported]
        waiting = [replace(entry, number=mark.reported + at) for at, entry in enumerate(held.waiting, 1)]
        self._replace(mark, (*told, *waiting))

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
        data = read_private(self._path, _MAX_FILE_BYTES) or b""
        entries: list[Entry] = []
        mark, broken = _Mark(), 0
        for line in data.splitlines():
            match _parsed(line):
                case Entry() as entry if not entries or entry.number > entries[-1].number:
                    entries.append(entry)
                case _Mark() as noted:
                    mark = noted
                case _:
                    broken += 1
        is_open = bool(data) and not data.endswith(b"\n")
        return _Content(tuple(entries), mark, broken, is_open)

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
        waiting = held.waiting[-MAX_ENTRIES:]
        told = [entry for entry in held.entries if entry.number <= held.mark.reported][-KEPT_REPORTED:]
        if len(held.entries) > len(waiting) + len(told) + _SPARE:
            self._replace(held.mark, (*told, *waiting))

    def _replace(self, mark: _Mark, entries: Iterable[Entry]) -> None:
        lines = [_line(mark.value()), *(_line(entry.value()) for entry in entries)]
        replace_private(self._path, "".join(lines).encode())

    def _writing(self, action: str) -> AbstractContextManager[None]:
        return writing(f"{action} {self._path}", self._path.with_suffix(".lock"))


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _parsed(line: bytes) -> Entry | _Mark | None:
    """An entry, a note of what is reported, or None for a line that is neither."""
    if len(line) > _MAX_LINE_BYTES:
        return None
    try:
        value = json.loads(line)
        if "reported" in value:
            base = _within(value.get("from", 0), 0, MOST_NUMBER)
            return _Mark(_within(value["reported"], 0, MOST_NUMBER), base, str(value.get("enrolment", "")))
        return Entry(
            _within(value["number"], 1, MOST_NUMBER),
            parse_instant(value["time"]),
            _within(value["uid"], 0, MOST_UID),
            Act(value["act"]),
            _authority(value["authority"]),
            None if value["until"] is None else parse_instant(value["until"]),
            None if value["revision"] is None else _within(value["revision"], 0, _MOST_REVISION),
            str(value["reason"])[:REASON_CHARS],
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _within(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _authority(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or _SLUG.fullmatch(value) is None):
        raise ValueError(f"{value!r} is no authority")
    return value
