"""The journal of local acts: an append-only file of numbered JSON lines. A line is on disk before its act has effect.

    {"number": 7, "time": "2026-09-30T22:00:00Z", "uid": 0, "act": "suspend", "authority": "ghent", …}
    {"reported": 7, "from": 0, "enrolment": "5f0c…"}

Commands append entries, the supervisor notes the number that the control plane has recorded. A lock file next to it
serializes them. A broken line, for instance after a power cut, is skipped and counted in the log: its act never had
effect.
"""

import errno
import json
import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from dnsfilter.disk import sync_directory
from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import FILE_MODE, read_private, replace_private, writing
from dnsfilter.policy.calendar import instant_text, parse_instant
from dnsfilter.policy.model import Instant
from dnsfilter.wire.names import MAX_NAME

JOURNAL_NAME = "journal.jsonl"
"""The file's name, in a node's own directory."""
MAX_ENTRIES = 2_000
"""Maximum number of entries. The oldest are removed first, reported ones before others."""
KEPT_REPORTED = 200
REASON_CHARS = 500
MOST_UID = 2**32 - 2
"""The next number means no user (chown(2))."""
MOST_NUMBER = 2**53 - 1
"""The largest integer that every program reads exactly in JSON (RFC 8259, section 6)."""
MOST_AHEAD = 1_000_000
"""The control plane can move numbers at most this far up, so that a forged answer cannot use them all up."""
_MOST_REVISION = 2**63 - 1
_SLUG = re.compile(r"[a-z0-9_-]{1,63}")
_SURPLUS = 500
"""Number of surplus entries at which the file is rewritten."""
_MAX_LINE_BYTES = 16_384
_MAX_FILE_BYTES = 64 * 1024 * 1024


class Act(StrEnum):
    """A local act on a node."""

    SUSPEND = "suspend"
    END_SUSPENSION = "end_suspension"
    USE_REVISION = "use_revision"
    UNQUARANTINE = "unquarantine"
    FLUSH_CACHE = "flush_cache"
    REFUSE_NAME = "refuse_name"
    ALLOW_NAME = "allow_name"
    END_NAME = "end_name"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. If `authority` is None, it is for all. `revision` belongs to a snapshot.

    `until` belongs to a suspension or a name. The name is text; it is meant with all below it, unless `exact`.
    """

    number: int
    time: Instant
    uid: int
    act: Act
    authority: str | None = None
    until: Instant | None = None
    revision: int | None = None
    reason: str = ""
    name: str | None = None
    exact: bool = False

    def value(self) -> dict[str, str | int | None]:
        """Return a value for JSON, with timestamps in RFC 3339 form."""
        until = None if self.until is None else instant_text(self.until)
        return {**asdict(self), "time": instant_text(self.time), "until": until, "act": self.act.value}


@dataclass(frozen=True, slots=True)
class _Mark:
    """The number up to which entries are reported. None up to `base` is sent to the control plane of this enrolment."""

    reported: int = 0
    base: int = 0
    enrolment: str = ""

    def value(self) -> dict[str, int | str]:
        return {"reported": self.reported, "from": self.base, "enrolment": self.enrolment}


@dataclass(frozen=True, slots=True)
class _Content:
    """The file as read: its entries, the mark of reported ones, and the number of broken lines."""

    entries: tuple[Entry, ...] = ()
    mark: _Mark = _Mark()
    broken: int = 0
    is_open: bool = False
    """Whether the last line has no newline."""

    @property
    def last(self) -> int:
        """Return the highest number ever used. Reported entries may have been removed from the file."""
        return max(self.mark.reported, self.entries[-1].number if self.entries else 0)

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """Return the entries that are not reported."""
        return tuple(entry for entry in self.entries if entry.number > self.mark.reported)


class Journal:
    """The journal in one file. The first write makes its directory, for its owner alone."""

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
        name: str | None = None,
        exact: bool = False,
    ) -> Entry:
        """Write an act to disk durably. On UnavailableError the caller must not carry out the act."""
        uid = min(max(uid, 0), MOST_UID)
        with self._writing("write the journal"):
            held = self._read()
            if held.last >= MOST_NUMBER:
                raise UnavailableError(f"write the journal {self._path}: its numbers are used up: move the file away")
            short = reason[:REASON_CHARS]
            entry = Entry(held.last + 1, time, uid, act, authority, until, revision, short, name, exact)
            self._append(entry.value(), held.is_open)
            self._trim()
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, oldest first. Raise UnavailableError if the file cannot be read."""
        return self._content().entries

    def unreported(self) -> tuple[Entry, ...]:
        """Return the entries that are not reported, oldest first. Raise UnavailableError if the file cannot be read."""
        return self._content().waiting

    def broken_lines(self) -> int:
        """Return the number of broken lines. Raise UnavailableError if the file cannot be read."""
        return self._content().broken

    def mark_reported(self, number: int, sent: int = MOST_NUMBER, enrolment: str = "") -> None:
        """Note that the control plane of this enrolment has recorded all entries up to `number`.

        A lower number than before, as after a restore, makes the entries above it unreported again, except those sent
        to another enrolment. A higher number than was noted or `sent` belongs to a journal that is lost: unreported
        entries are renumbered above it. Raise UnavailableError if the number is more than MOST_AHEAD above the last one
        here, or if the file cannot be written.
        """
        with self._writing("note in the journal what is reported"):
            held = self._read()
            if number > min(held.last + MOST_AHEAD, MOST_NUMBER - len(held.waiting)):
                raise UnavailableError(
                    f"note in the journal {self._path} what is reported: the control plane has number {number}, "
                    f"far above {held.last}, the last one here: enrol this node again"
                )
            before = held.mark
            base = before.base if enrolment == before.enrolment else before.reported
            mark = _Mark(max(number, base), base, enrolment)
            if mark == before or (not mark.reported and not held.entries):
                return
            if number > max(sent, before.reported) and held.waiting:
                self._renumber(held, mark)
                return
            self._append(mark.value(), held.is_open)
            self._trim()

    def _renumber(self, held: _Content, mark: _Mark) -> None:
        reported = [entry for entry in held.entries if entry.number <= held.mark.reported]
        waiting = [replace(entry, number=mark.reported + at) for at, entry in enumerate(held.waiting, 1)]
        self._replace(mark, (*reported, *waiting))

    def _content(self) -> _Content:
        """Return the content of the file. Read it again only if it has changed."""
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
            content = line.encode()
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, "the disk took only a part of the line")
            os.fsync(descriptor)
        if is_new:
            sync_directory(self._path.parent)

    def _trim(self) -> None:
        """If there are many surplus entries, keep MAX_ENTRIES unreported and KEPT_REPORTED reported ones."""
        held = self._read()
        waiting = held.waiting[-MAX_ENTRIES:]
        reported = [entry for entry in held.entries if entry.number <= held.mark.reported][-KEPT_REPORTED:]
        if len(held.entries) > len(waiting) + len(reported) + _SURPLUS:
            self._replace(held.mark, (*reported, *waiting))

    def _replace(self, mark: _Mark, entries: Iterable[Entry]) -> None:
        lines = [_line(mark.value()), *(_line(entry.value()) for entry in entries)]
        replace_private(self._path, "".join(lines).encode())

    def _writing(self, action: str) -> AbstractContextManager[None]:
        return writing(f"{action} {self._path}", self._path.with_suffix(".lock"))


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _parsed(line: bytes) -> Entry | _Mark | None:
    """Return the entry or the mark of a line, None if it is neither."""
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
            None if value["name"] is None else _name(value["name"]),
            value["exact"] is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _within(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not an integer from {least} to {most}")
    return value


def _authority(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or _SLUG.fullmatch(value) is None):
        raise ValueError(f"{value!r} is not the slug of an authority")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_NAME:
        raise ValueError(f"{value!r} is not a name")
    return value
