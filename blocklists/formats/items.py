"""What readers of every format yield: a name, or a line that was skipped and why."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeAlias

from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import NameFault, name_text, plain_name
from dnsfilter.wire.unicode_names import parse_unicode_name

MAX_LINE: Final = 4096
"""Maximum number of characters in a line."""
SHOWN: Final = 80
"""Number of characters of a skipped line that are kept."""

LONG: Final = f"is longer than {MAX_LINE} characters"
NOT_UTF_8: Final = "is not UTF-8"
ADDRESS: Final = "is an address, not a name"
NO_HOST: Final = "has characters that no host name has"


class Item(NamedTuple):
    """A name that a list has. Unless `exact`, all names below it too. `allow` frees it instead of refusing it."""

    line: int
    name: WireName
    exact: bool
    allow: bool = False


class Skip(NamedTuple):
    """A line, or a part of one, that means no name. `text` is its beginning. `reason` is one of a fixed set."""

    line: int
    text: str
    reason: str


Parsed: TypeAlias = Item | Skip


def skip(line: int, text: str, reason: str) -> Skip:
    """Return what was skipped, with as much of its text as is kept."""
    return Skip(line, text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…", reason)


def clean_name(text: str) -> WireName | None:
    """Return a host name that is written in lower case and without a final dot. Return None for any other text."""
    return None if text[-1:].isdigit() else plain_name(text)


def host_name(text: str) -> WireName:
    """Return a host name in folded wire form, from any script. NameFault for addresses and for what no host has."""
    name = clean_name(text)
    return _other_name(text) if name is None else name


def parsed_name(line: int, text: str, *, exact: bool, allow: bool = False) -> Parsed:
    """Return the item of a name, or the reason why the text is none. `*.x` is x with all below it."""
    name = text
    if text.startswith("*."):
        name, exact = text[2:], False
    try:
        return Item(line, host_name(name), exact, allow)
    except NameFault as error:
        return skip(line, text, error.fault)


def item_text(item: Item) -> str:
    """Return the name of an item as text."""
    return name_text(item.name)


def _other_name(text: str) -> WireName:
    if _is_address(text):
        raise NameFault(text, ADDRESS)
    if any("\udc80" <= character <= "\udcff" for character in text):
        raise NameFault(text, NOT_UTF_8)
    wire = parse_unicode_name(text)
    plain = name_text(wire)
    if plain_name(plain) is None:
        raise NameFault(text, NO_HOST)
    # A host whose last label is a number is an address (WHATWG URL).
    if plain.rpartition(".")[2].isdigit():
        raise NameFault(text, ADDRESS)
    return wire


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def comment(text: str, mark: str) -> Iterator[str]:
    """Yield each line of a text as a comment."""
    return (f"{mark} {line}".rstrip() for line in text.splitlines())
