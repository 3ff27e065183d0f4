"""Read the ban that a command names: `AUTHORITY/SERVICE`, or `AUTHORITY SERVICE` as two words. A list too.

Every command does it here. The two words become one before argparse reads them, because only their text shows that
they belong together.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from api.http.patterns import OWN_SLUG, SERVICE_SLUG

METAVAR, LIST_METAVAR = "AUTHORITY/SERVICE", "AUTHORITY/LIST"
_SLUG, _SERVICE = re.compile(OWN_SLUG), re.compile(SERVICE_SLUG)


def is_slug(text: str) -> bool:
    """Return whether the text can name an authority, a service of the catalogue or a site."""
    return _SLUG.fullmatch(text) is not None


def is_service(text: str) -> bool:
    """Return whether the text can name a service: `tiktok`, or `ghent:games` for an own one."""
    return _SERVICE.fullmatch(text) is not None


def reference(text: str) -> str:
    """Parse an argument that names a ban."""
    authority, slash, service = text.partition("/")
    if not slash or not is_slug(authority) or not is_service(service):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a ban. Write AUTHORITY/SERVICE or AUTHORITY SERVICE, for example ghent/tiktok"
        )
    return text


def list_reference(text: str) -> str:
    """Parse an argument that names a prohibited list."""
    authority, slash, slug = text.partition("/")
    if not slash or not is_slug(authority) or not is_slug(slug):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list. Write AUTHORITY/LIST or AUTHORITY LIST, for example ghent/prohibited-apps"
        )
    return text


_JOINED = (reference, list_reference)


def join_references(actions: Iterable[argparse.Action], arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with the two words of each ban or list as one."""
    options: dict[str, argparse.Action] = {}
    positional: list[argparse.Action] = []
    for action in actions:
        options.update(dict.fromkeys(action.option_strings, action))
        positional += [] if action.option_strings else [action]
    ban = next((at for at, action in enumerate(positional) if action.type in _JOINED), None)
    position = 0
    alone: int | None = None
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        option = options.get(argument)
        if option is not None and option.nargs != 0:
            found += [argument, *_value(option, rest)]
        elif argument.startswith("-"):
            found.append(argument)
        elif alone is not None and "/" not in argument:
            found[alone] += f"/{argument}"
            alone = None
        else:
            alone = len(found) if position == ban and is_slug(argument) else None
            position += 1
            found.append(argument)
    return found


def _value(option: argparse.Action, rest: Iterator[str]) -> list[str]:
    """Return the value of an option, as one word with the word after it if only both name a ban."""
    found = list(islice(rest, 1))
    if option.type in _JOINED and all(map(is_slug, found)):
        found += islice(rest, 1)
        if len(found) == 2 and is_service(found[1]):
            return ["/".join(found)]
    return found
