"""The content of a manual, read from a program's parser."""

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dnsfilter.shell_completion import every

COMMON = 3
"""What this many commands explain in the same words, the manual explains once."""

_EXAMPLES = re.compile(r"^examples?:\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """An argument or option and its text. Without a term it is a remark about several of them."""

    term: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A program, or one of its commands."""

    name: str
    """The words to type, for example `dnsfilterctl ban off`."""
    usage: str
    """The name with its arguments, in one line."""
    paragraphs: tuple[str, ...]
    entries: tuple[Entry, ...]
    examples: str
    """Lines for a shell."""
    nested: bool = field(default=False)
    """True if it belongs to a command that is not the program."""
    group: bool = field(default=False)
    """True if it only holds other commands."""


@dataclass(frozen=True, slots=True)
class Manual:
    """The manual of a program."""

    program: Command
    chapter: int
    """Chapter of the manual: 1 for everybody, 8 for administrators."""
    topics: Mapping[str, Sequence[Command]]
    """Commands by topic."""
    common: Sequence[Entry]
    """What several commands accept."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Longer texts by title."""


def read_manual(
    parser: argparse.ArgumentParser,
    chapter: int,
    topics: Mapping[str, Iterable[str]] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Manual:
    """Return the manual of a program. `topics` are names of commands by topic; without it there is one topic."""
    hidden = {option for action in parser._actions for option in action.option_strings}
    program, *commands = [_command(each, set() if each is parser else hidden) for each in every(parser)]
    common = _common(commands)
    commands = [replace(each, entries=tuple(e for e in each.entries if e not in common)) for each in commands]
    names = topics or ({"commands": [each.name.split()[1] for each in commands if not each.nested]} if commands else {})
    by_topic = {
        topic: [command for name in members for command in commands if command.name.split()[1] == name]
        for topic, members in names.items()
    }
    return Manual(program, chapter, by_topic, common, texts or {})


def _command(parser: argparse.ArgumentParser, hidden: set[str]) -> Command:
    actions = [action for action in parser._actions if hidden.isdisjoint(action.option_strings)]
    formatter = argparse.HelpFormatter(parser.prog, width=10_000)
    formatter.add_usage(None, actions, parser._mutually_exclusive_groups)
    text, examples = _split(parser.epilog or "")
    summary = (parser.description or "").strip()
    return Command(
        name=parser.prog,
        usage=" ".join(formatter.format_help().split()[1:]),
        paragraphs=tuple(" ".join(part.split()) for part in f"{summary}\n\n{text}".split("\n\n") if part.strip()),
        entries=tuple(_entries(parser, actions)),
        examples=examples,
        nested=parser.prog.count(" ") > 1,
        group=any(isinstance(action, argparse._SubParsersAction) for action in actions),
    )


def _split(epilog: str) -> tuple[str, str]:
    """Return the text and the examples of an epilog."""
    text, *examples = _EXAMPLES.split(epilog)
    return text, "\n".join(line.removeprefix("  ") for part in examples for line in part.splitlines())


def _entries(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> Iterator[Entry]:
    formatter = parser._get_formatter()
    for action in actions:
        if action.help and action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction):
            yield Entry(_term(formatter, action), formatter._expand_help(action))
    for group in parser._action_groups:
        if group.description:
            yield Entry("", group.description)


def _term(formatter: argparse.HelpFormatter, action: argparse.Action) -> str:
    """Return how an argument is typed, as Python 3.13 prints it: `-o, --output FILE`."""
    if not action.option_strings:
        return " ".join(formatter._metavar_formatter(action, action.dest)(1))
    options = ", ".join(action.option_strings)
    if action.nargs == 0:
        return options
    return f"{options} {formatter._format_args(action, formatter._get_default_metavar_for_optional(action))}"


def _common(commands: Iterable[Command]) -> list[Entry]:
    """Return what several commands explain in the same words, of each option the most frequent text."""
    counted = Counter(entry for command in commands for entry in command.entries)
    kept: dict[str, Entry] = {}
    for entry, count in counted.most_common():
        if count >= COMMON:
            kept.setdefault(entry.term, entry)
    return sorted(kept.values(), key=lambda entry: (not entry.term, entry.term.lstrip("-").lower()))
