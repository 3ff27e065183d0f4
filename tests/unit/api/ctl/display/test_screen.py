"""Escape sequences on a real terminal, and none for a plain terminal, a pipe or a file."""

import os
import pty
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pytest

from api.ctl.display.progress import Progress, with_progress
from api.ctl.display.safe_text import print_line, table
from tests.unit.api.ctl.conftest import EXAMPLE, Ctl, Served

COLOURS = {"TERM": "xterm-256color"}
PLAIN: tuple[Mapping[str, str], ...] = ({**COLOURS, "NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "unknown"})
OnTerminal = Callable[[Callable[[], object]], str]


@contextmanager
def _terminal(read: bytearray) -> Iterator[int]:
    """Yield a descriptor of a terminal; the output is in `read` afterwards."""
    ours, theirs = pty.openpty()

    def drain() -> None:
        with suppress(OSError):  # EIO: the other side is closed.
            while data := os.read(ours, 4096):
                read.extend(data)

    reading = threading.Thread(target=drain)
    reading.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reading.join()
        os.close(ours)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    """Return a function that calls `work` with a terminal as output, and returns what it wrote."""

    def call(work: Callable[[], object]) -> str:
        read = bytearray()
        with (
            _terminal(read) as descriptor,
            monkeypatch.context() as here,
            os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as stream,
        ):
            here.setattr(sys, "stdout", stream)
            here.setattr(sys, "stderr", stream)
            work()
        return read.decode().replace("\r\n", "\n")

    return call


@pytest.fixture(autouse=True)
def _terminal_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def _ranges(ctl: Ctl) -> Callable[[], object]:
    return lambda: ctl("range", "list", "--authority", "ghent")


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_terminal_gets_a_bold_heading_and_no_other_escapes(
    served: Served, ctl: Ctl, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "[red]a[/red] :smile:"
    add = ("range", "add", "ghent", "127.0.5.128/26", "--funding", "public", "--audience", "staff", "--label", label)
    assert ctl(*add).code == 0
    _set(monkeypatch, COLOURS)
    monkeypatch.setenv("COLUMNS", "200")
    heading, *rows = on_terminal(_ranges(ctl)).splitlines()
    assert (heading[:4], heading[-4:]) == ("\x1b[1m", "\x1b[0m")
    assert heading[4:-4].split()[:2] == ["range", "authority"]
    assert all(row.isprintable() for row in rows)
    assert any(label in row for row in rows)


@pytest.mark.parametrize(
    ("room", "marks"), [(80, ("[b]", "\\u202e", "[red]", ":smile:", "[/red]")), (20, ("[b]", "[red]"))]
)
def test_texts_of_others_are_escaped(
    room: int, marks: Sequence[str], on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, {**COLOURS, "COLUMNS": str(room)})

    def work() -> None:
        for line in table(("na\x1b[2Jme", "[b]"), [("\x1b]0;title\x07[red]", "a\r\u202eb :smile: [/red]")]):
            print_line(line)

    text = "".join(on_terminal(work).split())
    assert text.replace("\x1b[1m", "").replace("\x1b[0m", "").isprintable()
    assert [mark for mark in marks if mark not in text] == []


@pytest.mark.parametrize("variables", PLAIN, ids=str)
def test_plain_terminal_gets_no_escapes(
    variables: Mapping[str, str], served: Served, ctl: Ctl, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, variables)
    lines = on_terminal(_ranges(ctl)).splitlines()
    assert lines[0].split()[:2] == ["range", "authority"]
    assert all(line.isprintable() for line in lines)


def test_pipe_gets_no_escapes_even_if_the_environment_forces_colours(
    served: Served, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, {**COLOURS, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"})
    done = ctl("range", "list", "--authority", "ghent")
    assert all(line.isprintable() for line in done.out.splitlines())
    assert done.out.splitlines()[0].split()[:2] == ["range", "authority"]


def _download() -> None:
    assert list(with_progress([b"x" * 1_500_000, b"y"], "backup")) == [b"x" * 1_500_000, b"y"]


def test_progress_is_shown_on_a_terminal_and_erased(on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, COLOURS)
    sent = on_terminal(_download)
    assert "backup: 1.5 MB" in sent
    assert sent.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_progress_without_colours_moves_the_cursor_and_no_more(
    on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, {**COLOURS, "NO_COLOR": "1"})
    sent = on_terminal(_download)
    assert "backup: 1.5 MB" in sent
    assert {piece.lstrip("?0123456789;")[:1] for piece in sent.split("\x1b[")[1:]} <= set("hlAK")


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_terminal_that_cannot_erase_gets_no_progress(
    term: str, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert on_terminal(_download) == ""


def test_progress_is_not_shown_in_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {**COLOURS, "FORCE_COLOR": "1"})
    _download()
    assert capsys.readouterr().err == ""


def test_progress_text_is_escaped(on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, COLOURS)

    def work() -> None:
        with Progress() as progress:
            progress.say("[red]stage\x1b]0;title\x07", 1, 3)

    assert "[red]stage\\x1b]0;title\\x07" in on_terminal(work)


@pytest.mark.parametrize(("command", "stage"), [("diff", "comparing"), ("apply", "applying")])
def test_a_policy_file_is_compared_and_applied_with_progress(
    command: str, stage: str, served: Served, ctl: Ctl, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, COLOURS)
    sent = on_terminal(lambda: ctl("policy", command, str(EXAMPLE)))
    assert stage in sent.partition("\x1b[?25h")[0]
