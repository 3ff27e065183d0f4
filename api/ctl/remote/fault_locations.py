"""Translate the locations of faults, as the API names them, to options and files of a command. Pure."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

LocationTranslator: TypeAlias = Callable[[str], str]
"""Return the text to print for the location of a fault."""

FILE = "policy.toml"
"""The name that the API uses for a policy file; it does not know the real one."""
_PARTS = ("body", "query", "path")
_DESTINATIONS: Mapping[str, Sequence[str]] = {
    "end": ("until", "for_"),
    "follows": ("follows", "following"),
    "for": ("for_",),
    "mode_reason": ("reason",),
    "from": ("from_",),
    "login": ("account",),
    "names": ("name",),
    "service": ("service", "ban"),
    "slug": ("authority", "ban"),
    "provisional": ("confirm", "provisional"),
}
"""Arguments that may have set a field, if not the argument of its name; the first one given counts."""


def location_translator(options: argparse.Namespace) -> LocationTranslator:
    """Return a translator of locations to options and arguments of the command. Unknown ones stay."""
    command: argparse.ArgumentParser = options.command
    shown = {action.dest: _shown(action) for action in command._actions}
    given: Mapping[str, object] = vars(options)

    def translate(location: str) -> str:
        if "file" in shown:
            file, rest = location[: len(FILE)], location[len(FILE) :]
            name = "standard input" if options.file == "-" else str(options.file)
            return name + rest if file == FILE and rest[:1] in ("", ":", " ") else location
        part, *keys = location.split(".")
        if part not in _PARTS:
            return location
        for key in keys:
            known = [name for name in _DESTINATIONS.get(key, (key,)) if name in shown]
            if known:
                return shown[next((name for name in known if given.get(name)), known[0])]
        # For a term or the complete request the message is enough.
        return "" if {key for key in keys if not key.isdigit()} <= {"terms"} else location

    return translate


def fault_line(location: str, message: str) -> str:
    """Return a fault with its location, if it has one."""
    return f"{location}: {message}" if location else message


def _shown(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
