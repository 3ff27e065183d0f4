"""Manuals as pages of the site."""

from collections.abc import Iterable, Iterator
from textwrap import fill

from api.manual.help_texts import Command, Entry, Manual

MARK = "<!-- Generated from the help texts by `python -m api.manual pages docs/reference`; a test compares. -->"
WIDTH = 100
USAGE_WIDTH = 84
"""A line of code that the page shows without scrolling."""
NO_BREAK = "\xa0"


def update_page(page: str, manual: Manual) -> str:
    """Return the page with the part after the mark generated again. Raise ValueError if the mark is missing."""
    prose, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{prose}{mark}\n\n" + "\n\n".join(_parts(manual)) + "\n"


def _parts(manual: Manual) -> Iterator[str]:
    program = manual.program
    yield _usage(program)
    yield from (_wrapped(text) for text in program.paragraphs[1:])
    yield "## Options"
    yield from _list(program.entries)
    if manual.common:
        yield "## Common options"
        yield "Several commands accept these. A command below explains only what is not explained here."
        yield from _list(manual.common)
    for topic, commands in manual.topics.items():
        yield f"## {topic.capitalize()}"
        for command in commands:
            yield from _command(command)
    for title, text in manual.texts.items():
        yield f"## {title}"
        yield f"```text\n{text.rstrip()}\n```"


def _command(command: Command) -> Iterator[str]:
    yield f"{'####' if command.nested else '###'} {command.name}"
    if not command.group:
        yield _usage(command)
    yield from map(_wrapped, command.paragraphs)
    yield from _list(command.entries)
    if command.examples:
        yield f"```sh\n{command.examples}\n```"


def _usage(command: Command) -> str:
    """Return the usage in lines that break between options, not in one."""
    parts, depth = [], 0
    for character in command.usage:
        depth += (character in "([") - (character in ")]")
        parts.append(NO_BREAK if character == " " and depth else character)
    lines = fill("".join(parts), USAGE_WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return f"```text\n{lines.replace(NO_BREAK, ' ')}\n```"


def _list(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the entries as one list, and remarks after it."""
    listed = [_wrapped(f"- `{entry.term}`: {entry.text}", indent="  ") for entry in entries if entry.term]
    if listed:
        yield "\n".join(listed)
    yield from (_wrapped(entry.text) for entry in entries if not entry.term)


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
