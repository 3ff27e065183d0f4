"""dnsfilterctl audit verify: verify exported files without a control plane."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from api.chain.checkpoint import Checkpoint, parse_public
from api.chain.held_checkpoints import TextCheckpoint, UnreadableCheckpoint, find_checkpoints
from api.chain.verification import MAX_LINE_BYTES, CheckpointComparison, Report, verify
from api.ctl.command import Result
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns
from api.ctl.exit_codes import DONE, FOUND, WRONG_INPUT, WrongInput

MAX_HELD_LINE = 64 * 1024
MAX_HELD = 1_000_000
MAX_KEY_BYTES = 16 * 1024
MAX_SHOWN = 20
TORN_SEARCH = 100
"""Number of checkpoints after a truncated line among which its complete copy is searched.

It is larger than the number of checkpoints that are sent to a destination at once.
"""
_FORMS = "Give what `audit checkpoint` or `audit checkpoints` printed, or a mail or log with checkpoints."
_CHAIN_ONLY = (
    "Only the hash chain was checked. To detect a rewritten or truncated audit log, give checkpoints with --checkpoint."
)


@dataclass(slots=True)
class _Held:
    """What was found in the files with checkpoints. `unread` and `torn` are lines for people."""

    signed: list[Checkpoint] = field(default_factory=list)
    printed: list[TextCheckpoint] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of checkpoints that were read."""
        return len(self.signed) + len(self.printed)


def verify_files(files: Sequence[str], held_files: Sequence[str] | None, keys: Sequence[str]) -> Result:
    """Verify exported files. Return the findings with the exit code. Raise WrongInput if a file is unreadable.

    A checkpoint that cannot be read says nothing about the audit log, so it is wrong input and not a finding.
    """
    known = frozenset(map(_key, keys))
    held = None if held_files is None else _found(held_files)
    report = verify(_lines(files), None if held is None else held.signed, known, () if held is None else held.printed)
    code = FOUND if not report.sound else WRONG_INPUT if held is not None and held.unread else DONE
    notes = (_CHAIN_ONLY,) if held is None else (*_limited(held.unread), *_limited(held.torn))
    return Result(_data(report, held), lambda: _words(report, held), code, notes)


def _lines(files: Sequence[str]) -> Iterator[bytes]:
    for name in files:
        with _opened(name) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                yield line


def _found(names: Sequence[str]) -> _Held:
    """Return the checkpoints of some files."""
    held = _Held()
    for name in names:
        _add(held, name)
    return held


def _add(held: _Held, name: str) -> None:
    """Add the checkpoints of a file. Skip other lines, such as those of mails and logs.

    A truncated line, as a power cut or a full disk leaves, is read if the complete line follows.
    """
    signed: list[Checkpoint] = []
    printed: list[TextCheckpoint] = []
    unread: list[tuple[UnreadableCheckpoint, int]] = []
    with _opened(name) as file:
        for found in find_checkpoints(iter(lambda: file.readline(MAX_HELD_LINE), b"")):
            match found:
                case Checkpoint():
                    signed.append(found)
                case TextCheckpoint():
                    printed.append(found)
                case UnreadableCheckpoint():
                    unread.append((found, len(signed)))
            if len(signed) + len(printed) + len(unread) > MAX_HELD:
                raise WrongInput(f"{name} has more than {MAX_HELD} checkpoints")
    if not signed and not printed and not unread:
        raise WrongInput(f"{name} was not compared: it contains no checkpoint. {_FORMS}")
    for one, before in unread:
        following = signed[before : before + TORN_SEARCH]
        if any(checkpoint.line.encode().startswith(one.part) for checkpoint in following):
            held.torn.append(f"{name}, line {one.line}: truncated line; the complete line follows")
        else:
            held.unread.append(f"{name}, line {one.line} was not compared: {one.reason}")
    held.signed += signed
    held.printed += printed


def _key(given: str) -> str:
    try:
        return parse_public(given.encode())
    except ValueError:
        with _opened(given) as file:
            content = file.read(MAX_KEY_BYTES)
    try:
        return parse_public(content)
    except ValueError as error:
        raise WrongInput(f"cannot use {given}: {error}") from error


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    try:
        if name == "-":
            yield sys.stdin.buffer
            return
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise WrongInput(f"cannot read {name}: {error.strerror}") from error


def _data(report: Report, held: _Held | None) -> dict[str, object]:
    fault = report.chain.fault
    return {
        "sound": report.sound,
        "entries": report.chain.seq,
        "hash": report.chain.hash,
        "fault": None if fault is None else {"line": fault.line, "seq": fault.seq, "message": fault.message},
        "checkpoints": None if report.held is None or held is None else _data_of(report.held, held),
        "not_covered": report.uncovered,
    }


def _data_of(compared: CheckpointComparison, held: _Held) -> dict[str, object]:
    return {
        "held": held.count,
        "agreeing": compared.agreeing.fields if compared.agreeing is not None else None,
        "agreeing_text": None if compared.printed is None else _fields(compared.printed),
        "disagreeing": compared.disagreeing.fields if compared.disagreeing is not None else None,
        "later": compared.later.fields if compared.later is not None else None,
        "beyond": compared.beyond,
        "faults": list(compared.faults),
        "not_compared": held.unread,
    }


def _fields(printed: TextCheckpoint) -> dict[str, object]:
    return {"checkpoint": printed.number, "seq": printed.seq, "hash": printed.hash}


def _words(report: Report, held: _Held | None) -> Iterator[str]:
    chain = report.chain
    intact = "intact" if held is not None and held.count else "intact, as far as the hash chain alone shows"
    yield from columns(
        [
            ("audit log", intact if report.sound else "NOT INTACT"),
            ("entries", f"1 to {chain.seq} follow one another" if chain.seq else "none"),
            ("last hash", chain.hash),
            ("checkpoints", "none given" if held is None else _count(held)),
            *_coverage(report),
        ]
    )
    if chain.fault is not None:
        yield f"line {chain.fault.line}: {chain.fault.message}"
    yield from _limited(report.held.faults if report.held is not None else ())


def _limited(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], *((f"and {rest} more like these",) if rest > 0 else ()))


def _count(held: _Held) -> str:
    unread = f", {len(held.unread)} not compared" if held.unread else ""
    return f"{held.count} held{unread}"


def _coverage(report: Report) -> Iterator[tuple[str, str]]:
    if report.held is None or report.chain.seq == 0:
        return
    agreeing, printed = report.held.agreeing, report.held.printed
    covered = report.held.covered
    if agreeing is not None and agreeing.statement.seq == covered:
        statement = agreeing.statement
        yield (
            "covered",
            f"up to entry {covered}, by checkpoint {statement.number} of {at_words(statement.time)}, "
            f"key {agreeing.key}",
        )
    elif printed is not None:
        yield (
            "covered",
            f"up to entry {covered}, by checkpoint {printed.number} as text. It is not signed: trust it as far as "
            f"you trust where it was kept",
        )
    if report.uncovered:
        # A checkpoint that agrees, but was made after one that disagrees, proves nothing.
        why = (
            "no later checkpoint agrees"
            if report.held.later is None
            else "later checkpoints were made from the changed audit log"
        )
        yield "not covered", f"entries {covered + 1} to {report.chain.seq}: {why}"
    if report.chain.fault is not None and report.held.beyond:
        yield "not compared", f"{report.held.beyond} of the checkpoints, which are after the first bad line"
