"""Find checkpoints in what people have kept: files, mails, logs, and what `dnsfilterctl` has printed. Pure.

There are three forms: JSON in one line, as checkpoints are sent; JSON in several lines, as `--json` and JSON tools
print it; and text, as `audit checkpoint` and `audit checkpoints` print it. Text has no signature.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.chain.checkpoint import MAX_BYTES, MAX_NUMBER, Checkpoint, parse_checkpoint

_OBJECT = re.compile(rb'\{[\s>]*"checkpoint"')
_PERHAPS = re.compile(rb"\{[\s>]*$")
"""The beginning of an object whose first field is in the next line."""
_SENTENCE = re.compile(
    rb"checkpoint[\s>]+(\d{1,19}):[\s>]+entry[\s>]+(\d{1,19})[\s>]+has[\s>]+the[\s>]+hash(?:[\s>]+([0-9a-f]{64})\b)?"
)
_ROW = re.compile(rb"^[\s>]*(\d{1,19})\s{2,}\S.*?\s{2,}(\d{1,19})\s{2,}([0-9a-f]{64})\b")


@dataclass(frozen=True, slots=True)
class TextCheckpoint:
    """A checkpoint as text: entry `seq` has `hash`. Nothing proves who wrote it."""

    number: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class UnreadableCheckpoint:
    """A checkpoint that cannot be read. It begins with `part` in line `line`."""

    line: int
    part: bytes
    reason: str


def find_checkpoints(lines: Iterable[bytes]) -> Iterator[Checkpoint | TextCheckpoint | UnreadableCheckpoint]:
    """Yield the checkpoints in lines, each with its line break. Skip everything else."""
    objects, sentences, number = _Objects(), _Sentences(), 0
    for number, line in enumerate(lines, start=1):
        yield from objects.read(number, line)
        yield from sentences.read(number, line)
    yield from objects.end()
    yield from sentences.end(number)


class _Objects:
    """Find JSON objects, which may go on over several lines."""

    def __init__(self) -> None:
        self._open = b""
        """The beginning of an object that is not closed yet, and in `_line` where it is."""
        self._line = 0

    def read(self, number: int, line: bytes) -> Iterator[Checkpoint | UnreadableCheckpoint]:
        begun, text = len(self._open), self._open + line
        start = 0
        while (found := _OBJECT.search(text, start)) is not None:
            at = self._line if found.start() < begun else number
            end, following = text.find(b"}", found.end()), _OBJECT.search(text, found.end())
            if following is not None and not found.end() <= end < following.start():
                yield _unread(at, text[found.start() : following.start()], "not a checkpoint: it is truncated")
                start = following.start()
            elif end < 0:
                self._keep(text[found.start() :], at)
                if len(self._open) > MAX_BYTES:
                    yield from self.end()
                return
            else:
                yield _parsed(at, text[found.start() : end + 1])
                start = end + 1
        perhaps = _PERHAPS.search(text, start)
        self._keep(b"" if perhaps is None else text[perhaps.start() :], number)

    def end(self) -> Iterator[UnreadableCheckpoint]:
        """Yield what is still open after the last line."""
        if _OBJECT.match(self._open):
            yield _unread(self._line, self._open, "not a checkpoint: it is truncated")
        self._keep(b"", 0)

    def _keep(self, text: bytes, line: int) -> None:
        self._open, self._line = text, line


class _Sentences:
    """Find checkpoints as text. A mail program may have wrapped a sentence once."""

    def __init__(self) -> None:
        self._rest = b""
        """What is left of the last line, which a sentence may go on from."""

    def read(self, number: int, line: bytes) -> Iterator[TextCheckpoint | UnreadableCheckpoint]:
        row = _ROW.match(line)
        if row is not None:
            yield _printed(number, row)
        text, before, start = self._rest + line, len(self._rest), 0
        for found in _SENTENCE.finditer(text):
            if found[3] is None and before < found.end() == len(text.rstrip()):
                self._rest = text[found.start() :]  # the hash may be in the next line
                return
            yield _printed(number if found.start() >= before else number - 1, found)
            start = found.end()
        self._rest = text[max(start, before) :]

    def end(self, number: int) -> Iterator[TextCheckpoint | UnreadableCheckpoint]:
        """Yield what still lacks its hash after the last line."""
        found = _SENTENCE.search(self._rest)
        if found is not None:
            yield _printed(number, found)


def _parsed(line: int, text: bytes) -> Checkpoint | UnreadableCheckpoint:
    try:
        return parse_checkpoint(text)
    except ValueError as error:
        return _unread(line, text, str(error))


def _printed(line: int, found: re.Match[bytes]) -> TextCheckpoint | UnreadableCheckpoint:
    number, seq = int(found[1]), int(found[2])
    if found[3] is None or not (0 < number <= MAX_NUMBER and 0 < seq <= MAX_NUMBER):
        return _unread(line, found[0], "not a checkpoint: the text has no complete hash")
    return TextCheckpoint(number, seq, found[3].decode())


def _unread(line: int, text: bytes, reason: str) -> UnreadableCheckpoint:
    # A truncated line may be followed by what a log puts before the next one.
    return UnreadableCheckpoint(line, text.split(b"\n", 1)[0].rstrip(b"\r\0"), reason)
