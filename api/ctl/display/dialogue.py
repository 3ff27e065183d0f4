"""Questions to somebody at a terminal, each of which may be left out."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from typing import TypeVar

from api.ctl.display.safe_text import escape

Value = TypeVar("Value")


class Ended(Exception):
    """Whoever was asked has ended the input."""


def at_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(text: str = "") -> None:
    """A line for whoever is asked."""
    print(escape(text), flush=True)


def ask(question: str, default: str = "") -> str:
    """What is typed, or the default; an empty text leaves the question out. Raises Ended."""
    shown = f" [{default}]" if default else ""
    try:
        return input(escape(f"  {question}{shown}: ")).strip() or default
    except EOFError as error:
        say()
        raise Ended from error


def ask_for(question: str, parse: Callable[[str], Value], default: str = "") -> Value | None:
    """As `ask`, until what is typed can be read by `parse`; None where it is left out."""
    while typed := ask(question, default):
        try:
            return parse(typed)
        except (ValueError, ArgumentTypeError) as error:
            say(f"  {error}")
    return None


def agreed(question: str) -> bool:
    """Whether it is answered with yes; an empty answer is a no. Raises Ended."""
    return ask_for(f"{question} (yes, no)", choice(("yes", "no"))) == "yes"


def choice(words: Sequence[str]) -> Callable[[str], str]:
    """Reads one of these words, or the first letters of one of them."""

    def parse(typed: str) -> str:
        found = [word for word in words if word == typed] or [word for word in words if word.startswith(typed)]
        if len(found) != 1:
            raise ValueError(f"{typed!r} is none of {', '.join(words)}")
        return found[0]

    return parse
