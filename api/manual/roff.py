"""Manuals as man pages, in the macros of man(7)."""

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap

from api.manual.help_texts import Command, Entry, Manual

WIDTH = 70

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "\u2026": "..."}
)
_MARKED = re.compile(r"(?P<B>(?<![\w-])--?[a-z][\w-]*)|(?P<I>\b[A-Z][A-Z_]+\b|\b[A-Z]\b)")


def man_page(manual: Manual, version: str, date: str, others: Iterable[str]) -> str:
    """Return the source of a man page. `others` are the pages to see also, such as `dnsfilter(8)`."""
    return "\n".join(_lines(manual, version, date, others)) + "\n"


def _lines(manual: Manual, version: str, date: str, others: Iterable[str]) -> Iterator[str]:
    program = manual.program
    summary, *more = program.paragraphs
    yield f'.TH {_plain(program.name.upper())} {manual.chapter} "{date}" "dnsfilter {version}" "dnsfilter"'
    yield ".nh"
    yield from (".SH NAME", f"{_plain(program.name)} \\- {_plain(summary[0].lower() + summary[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".na", _usage(program), ".ad")
    yield from (".SH DESCRIPTION", _text(summary))
    for text in more:
        yield from (".PP", _text(text))
    yield ".SH OPTIONS"
    yield from _entries(program.entries)
    if manual.common:
        yield from (".SH COMMON OPTIONS", "Several commands accept these.")
        yield "A command below explains only what is not explained here."
        yield from _entries(manual.common)
    for topic, commands in manual.topics.items():
        yield f".SH {_plain(topic.upper())}"
        for command in commands:
            yield from _command(command)
    for title, text in manual.texts.items():
        yield f".SH {_plain(title.upper())}"
        yield from _literal(text)
    if program.examples:
        yield ".SH EXAMPLES"
        yield from _literal(program.examples)
    yield from (".SH SEE ALSO", ", ".join(map(_reference, others)))
    yield ".PP"
    yield _text("The documents are in /usr/share/doc/dnsfilter/html. The control plane serves them at /help.")


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_plain(command.name)}"
    if not command.group:
        yield from (".na", _usage(command), ".ad")
    for number, text in enumerate(command.paragraphs):
        if number or not command.group:
            yield ".PP"
        yield _text(text)
    yield from _entries(command.entries)
    if command.examples:
        yield ".PP"
        yield from _literal(command.examples)


def _entries(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield from ((".TP", _marked(entry.term)) if entry.term else (".PP",))
        yield _text(entry.text)


def _usage(command: Command) -> str:
    return f"\\fB{_plain(command.name)}\\fR{_marked(command.usage.removeprefix(command.name))}"


def _literal(text: str) -> Iterator[str]:
    yield from (".EX", *map(_plain, text.rstrip().splitlines()), ".EE")


def _marked(usage: str) -> str:
    """Print options bold and values in italics."""
    parts, end = [], 0
    for match in _MARKED.finditer(usage):
        before = _plain(usage[end : match.start()], at_start=end == 0)
        parts += [before, rf"\f{match.lastgroup}{_plain(match[0])}\fR"]
        end = match.end()
    return "".join(parts) + _plain(usage[end:], at_start=end == 0)


def _text(text: str) -> str:
    """Return a paragraph in short lines, each of which begins with a sentence or continues one."""
    sentences = re.split(r"(?<=[.:?]) (?=[A-Z])", text)
    lines = (wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False) for sentence in sentences)
    return "\n".join(_plain(line) for part in lines for line in part)


def _reference(page: str) -> str:
    name, _, chapter = page.partition("(")
    return f"\\fB{_plain(name)}\\fR({chapter}"


def _plain(text: str, *, at_start: bool = True) -> str:
    """Return text that groff prints as it is."""
    escaped = text.translate(_ESCAPES)
    return rf"\&{escaped}" if at_start and escaped.startswith(".") else escaped
