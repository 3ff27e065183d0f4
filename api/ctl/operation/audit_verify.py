"""dnsfilterctl audit verify: verify exported files without a control plane."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from api.chain.checkpoint import Checkpoint, parse_checkpoint, parse_public
from api.chain.verification import MAX_LINE_BYTES, CheckpointComparison, Report, verify
from api.ctl.command import Result
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns
from api.ctl.exit_codes import DONE, FOUND, WrongInput

MARK = b'{"checkpoint"'
MAX_HELD_LINE = 64 * 1024
MAX_HELD = 1_000_000
MAX_KEY_BYTES = 16 * 1024
MAX_SHOWN = 20
TORN_SEARCH = 100
"""Number of checkpoints after a truncated line among which its complete copy is searched.

It is larger than the number of checkpoints that are sent to a destination at once.
"""
_CHAIN_ONLY = (
    "Only the hash chain was checked. To detect a rewritten or truncated audit log, give checkpoints with --checkpoint."
)


def verify_files(files: Sequence[str], held_files: Sequence[str] | None, keys: Sequence[str]) -> Result:
    """Verify exported files. Return the findings with the exit code. Raise WrongInput if a file is unreadable."""
    known = frozenset(map(_key, keys))
    held: list[Checkpoint] | None = None
    broken: list[str] = []
    torn: list[str] = []
    for name in held_files or ():
        held = (held or []) + _held(name, broken, torn)
    report = verify(_lines(files), held, known)
    sound = report.sound and not broken
    return Result(
        _data(report, sound, held, broken),
        lambda: _words(report, sound, held, broken),
        DONE if sound else FOUND,
        (_CHAIN_ONLY,) if held is None else _limited(torn),
    )


def _lines(files: Sequence[str]) -> Iterator[bytes]:
    for name in files:
        with _opened(name) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                yield line


def _held(name: str, broken: list[str], torn: list[str]) -> list[Checkpoint]:
    """Return the checkpoints of a file. Skip other lines, such as those of mails and logs.

    A truncated line, as a power cut or a full disk leaves, is not a fault if the complete line follows.
    """
    found: list[Checkpoint] = []
    bad: list[tuple[int, bytes, int, str]] = []
    number = 0
    with _opened(name) as file:
        while line := file.readline(MAX_HELD_LINE):
            number += 1
            if MARK not in line:
                continue
            try:
                found.append(parse_checkpoint(line))
            except ValueError as error:
                bad.append((number, line[line.index(MARK) :].rstrip(b"\r\n\0"), len(found), str(error)))
            if len(found) > MAX_HELD:
                raise WrongInput(f"{name} has more than {MAX_HELD} checkpoints")
    if not found and not bad:
        raise WrongInput(f"{name} contains no checkpoint")
    for number, part, before, reason in bad:
        following = found[before : before + TORN_SEARCH]
        if any(checkpoint.line.encode().startswith(part) for checkpoint in following):
            torn.append(f"{name}, line {number}: truncated line; the complete line follows")
        else:
            broken.append(f"{name}, line {number}: {reason}")
    return found


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


def _data(report: Report, sound: bool, held: Sequence[Checkpoint] | None, broken: Sequence[str]) -> dict[str, object]:
    fault = report.chain.fault
    return {
        "sound": sound,
        "entries": report.chain.seq,
        "hash": report.chain.hash,
        "fault": None if fault is None else {"line": fault.line, "seq": fault.seq, "message": fault.message},
        "checkpoints": None if report.held is None else _data_of(report.held, len(held or ()), broken),
        "not_covered": report.uncovered,
    }


def _data_of(held: CheckpointComparison, count: int, broken: Sequence[str]) -> dict[str, object]:
    return {
        "held": count,
        "agreeing": held.agreeing.fields if held.agreeing is not None else None,
        "disagreeing": held.disagreeing.fields if held.disagreeing is not None else None,
        "later": held.later.fields if held.later is not None else None,
        "beyond": held.beyond,
        "faults": [*broken, *held.faults],
    }


def _words(report: Report, sound: bool, held: Sequence[Checkpoint] | None, broken: Sequence[str]) -> Iterator[str]:
    chain = report.chain
    intact = "intact" if held is not None else "intact, as far as the hash chain alone shows"
    yield from columns(
        [
            ("audit log", intact if sound else "NOT INTACT"),
            ("entries", f"1 to {chain.seq} follow one another" if chain.seq else "none"),
            ("last hash", chain.hash),
            ("checkpoints", "none given" if held is None else _count(len(held))),
            *_coverage(report),
        ]
    )
    if chain.fault is not None:
        yield f"line {chain.fault.line}: {chain.fault.message}"
    yield from _limited([*broken, *(report.held.faults if report.held is not None else ())])


def _limited(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - MAX_SHOWN
    return (*lines[:MAX_SHOWN], *((f"and {rest} more like these",) if rest > 0 else ()))


def _count(held: int) -> str:
    return "1 held" if held == 1 else f"{held} held"


def _coverage(report: Report) -> Iterator[tuple[str, str]]:
    if report.held is None or report.chain.seq == 0:
        return
    agreeing = report.held.agreeing
    covered = report.chain.seq - report.uncovered
    if agreeing is not None:
        statement = agreeing.statement
        yield (
            "covered",
            f"up to entry {covered}, by checkpoint {statement.number} of {at_words(statement.time)}, "
            f"key {agreeing.key}",
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
