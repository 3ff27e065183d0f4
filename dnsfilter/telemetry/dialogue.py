"""Ask a person at a terminal. An empty answer skips a question."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from typing import TypeVar

from dnsfilter.telemetry.terminal import escape

Value = TypeVar("Value")


class InputEnded(Exception):
    """The person ended the input."""


def at_terminal() -> bool:
    """Return True if standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str = "") -> None:
    """Print a line, escaped."""
    print(escape(text), flush=True)


def ask(question: str, default: str = "") -> str:
    """Return what is typed, or the default. An empty text skips the question. Raise InputEnded."""
    shown = f" [{default}]" if default else ""
    try:
        return input(escape(f"  {question}{shown}: ")).strip() or default
    except EOFError as error:
        say()
        raise InputEnded from error


def ask_for(question: str, parse: Callable[[str], Value], default: str = "") -> Value | None:
    """Ask until `parse` accepts what is typed. Return None if the question is skipped. Raise InputEnded."""
    while typed := ask(question, default):
        try:
            return parse(typed)
        except (ValueError, ArgumentTypeError) as error:
            say(f"  {error}")
    return None


def confirm(question: str) -> bool:
    """Return True if the answer is yes; an empty answer is a no. Raise InputEnded."""
    return ask_for(f"{question} (yes, no)", choice(("yes", "no"))) == "yes"


def choice(words: Sequence[str]) -> Callable[[str], str]:
    """Return a parser of one of these words, or of the first letters of exactly one."""

    def parse(typed: str) -> str:
        found = [word for word in words if word == typed] or [word for word in words if word.startswith(typed)]
        if len(found) != 1:
            raise ValueError(f"{typed!r} is not one of {', '.join(words)}")
        return found[0]

    return parse
