"""Shell completion scripts for a command. shtab makes them from the command's parser."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SHELLS = ("bash", "zsh")
SUMMARY = "print a shell completion script for commands, options and files"
_FILES = ("FILE", "ZIP")


def add_completion(commands: "Commands", make_parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the command `completion`. `make_parser` returns a new parser on each call."""
    command = commands.add_parser("completion", help=SUMMARY, description=f"{SUMMARY[0].upper()}{SUMMARY[1:]}.")
    command.add_argument("shell", choices=SHELLS, help="the shell that runs the script")
    command.set_defaults(run=partial(_print_script, make_parser))


def _print_script(make_parser: Callable[[], argparse.ArgumentParser], options: argparse.Namespace) -> int:
    print(completion_script(make_parser(), options.shell))
    return 0


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for one of `SHELLS`. This changes the parser: do not use it afterwards."""
    import shtab

    for each in every(parser):
        for action in each._actions:
            if action.help == argparse.SUPPRESS:
                action.help = None  # Options of the program, which its commands accept too.
            if action.metavar == "DIR" or action.dest.endswith("_dir"):
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.type is Path or action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif isinstance(action.type, Words):
                action.choices = action.type.known
    return str(shtab.complete(parser, shell)).rstrip()


class Words:
    """An argument type: words separated by commas, each one of `known`."""

    def __init__(self, *known: str) -> None:
        self.known = known

    def __call__(self, text: str) -> list[str]:
        """Return the words. Raise ArgumentTypeError if one is not known."""
        words = text.split(",")
        unknown = [word for word in words if word not in self.known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is unknown; choose from {', '.join(self.known)}")
        return words


def every(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser and those of all its commands, in order."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from every(inner)
