"""Places of a request, as the API names them -> the options or the file that they came from. Pure."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Places: TypeAlias = Callable[[str], str]
"""What is said in place of a fault's place."""

FILE = "policy.toml"
"""What the API calls a policy file, whose name it is not told."""
_PARTS = ("body", "query", "path")
_DESTINATIONS: Mapping[str, Sequence[str]] = {
    "end": ("end", "until", "for_"),
    "follows": ("follows", "following"),
    "for": ("for_",),
    "mode_reason": ("reason",),
    "login": ("account",),
    "names": ("name",),
    "provisional": ("confirm", "provisional"),
}
"""Where a field of the API comes from, if not from the argument of its name: from the first that was given."""


def places_of(options: argparse.Namespace) -> Places:
    """How a command tells places: as its own options and arguments, where it has them, else as the API does."""
    command: argparse.ArgumentParser = options.command
    shown = {action.dest: _shown(action) for action in command._actions}
    given: Mapping[str, object] = vars(options)

    def told(place: str) -> str:
        if "file" in shown:
            file, rest = place[: len(FILE)], place[len(FILE) :]
            name = "standard input" if options.file == "-" else str(options.file)
            return name + rest if file == FILE and rest[:1] in ("", ":", " ") else place
        part, *keys = place.split(".")
        if part not in _PARTS:
            return place
        for key in keys:
            known = [name for name in _DESTINATIONS.get(key, (key,)) if name in shown]
            if known:
                return shown[next((name for name in known if given.get(name)), known[0])]
        # What is wrong with a term, or with all of it, is said by the message.
        return "" if {key for key in keys if not key.isdigit()} <= {"terms"} else place

    return told


def fault_line(place: str, message: str) -> str:
    """A fault with its place, if it has one."""
    return f"{place}: {message}" if place else message


def _shown(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
