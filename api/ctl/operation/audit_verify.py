"""dnsfilterctl audit verify: files in, a verdict out; nothing is asked of a control plane."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from api.chain.checkpoint import Checkpoint, parse_checkpoint, parse_public
from api.chain.verification import MAX_LINE_BYTES, Held, Report, verify
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
"""How many checkpoints after a torn line may be the whole one: more than are taken to a place at once."""
_ALONE = (
    "only the chain was checked: a record that was made anew as a whole, or cut off at its end, is found out by "
    "checkpoints alone (--checkpoint)"
)


def verified(files: Sequence[str], held_files: Sequence[str] | None, keys: Sequence[str]) -> Result:
    """What a verification of exported files finds, with the exit code; raises WrongInput for what cannot be read."""
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
        (_ALONE,) if held is None else _shown(torn),
    )


def _lines(files: Sequence[str]) -> Iterator[bytes]:
    for name in files:
        with _opened(name) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                yield line


def _held(name: str, broken: list[str], torn: list[str]) -> list[Checkpoint]:
    """The checkpoints of a file; other lines, as mails and logs have them, are passed over.

    A line that broke off, as a power cut or a full disk leaves one, is no fault where the whole one follows.
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
        raise WrongInput(f"there is no checkpoint in {name}")
    for number, part, before, reason in bad:
        following = found[before : before + TORN_SEARCH]
        if any(checkpoint.line.encode().startswith(part) for checkpoint in following):
            torn.append(f"{name}, line {number}: a line that broke off; it follows whole")
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


def _data_of(held: Held, count: int, broken: Sequence[str]) -> dict[str, object]:
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
    whole = "whole" if held is not None else "whole, as far as the chain alone tells"
    yield from columns(
        [
            ("record", whole if sound else "NOT WHOLE"),
            ("entries", f"1 to {chain.seq} follow one another" if chain.seq else "none"),
            ("last hash", chain.hash),
            ("checkpoints", "none given" if held is None else _count(len(held))),
            *_coverage(report),
        ]
    )
    if chain.fault is not None:
        yield f"line {chain.fault.line}: {chain.fault.message}"
    yield from _shown([*broken, *(report.held.faults if report.held is not None else ())])


def _shown(all_: Sequence[str]) -> tuple[str, ...]:
    rest = len(all_) - MAX_SHOWN
    return (*all_[:MAX_SHOWN], *((f"and {rest} more like these",) if rest > 0 else ()))


def _count(held: int) -> str:
    return "1 held" if held == 1 else f"{held} held"


def _coverage(report: Report) -> Iterator[tuple[str, str]]:
    if report.held is None or report.chain.seq == 0:
        return
    agreeing = report.held.agreeing
    covered = report.chain.seq - report.uncovered
    if agreeing is not None:
        said = agreeing.statement
        yield (
            "covered",
            f"up to entry {covered}, by checkpoint {said.number} of {at_words(said.time)}, key {agreeing.key}",
        )
    if report.uncovered:
        # After one that does not agree, others vouch only for what was there when they were made.
        why = (
            "no checkpoint that agrees comes after them"
            if report.held.later is None
            else "none that counts comes after them"
        )
        yield "not covered", f"entries {covered + 1} to {report.chain.seq}: {why}"
    if report.chain.fault is not None and report.held.beyond:
        yield "not compared", f"{report.held.beyond} of the checkpoints, which come after the first bad line"
