"""Hosts files: an address that leads nowhere, then names that get it."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from blocklists.formats.items import LONG, MAX_LINE, Item, Parsed, item_text, parsed_name, skip

COMMENT = "#"
NO_ADDRESS = "does not begin with an address"
OWN_ADDRESS = "gives its names an address of their own"
NO_NAME = "has an address and no name"
MACHINE = "is a name of the machine itself"
_SINKS = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})
_MACHINE_NAMES = frozenset(
    {
        *("localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback"),
        *("ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts"),
    }
)


def read_hosts(lines: Iterable[str], exact: bool | None = None) -> Iterator[Parsed]:
    """Yield the names behind unspecified and loopback addresses. They are exact, unless `exact` is False."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield skip(number, line, LONG)
            continue
        words = line.partition("#")[0].split()
        if not words:
            continue
        fault = _fault(words)
        if fault:
            yield skip(number, line.strip(), fault)
            continue
        for word in words[1:]:
            if word.lower() in _MACHINE_NAMES:
                yield skip(number, word, MACHINE)
            else:
                yield parsed_name(number, word, exact=exact is not False)


def hosts_line(item: Item) -> str:
    """Return the line of an item, or an empty text for an exception. Names below it are not covered."""
    return "" if item.allow else f"0.0.0.0 {item_text(item)}"


def _fault(words: list[str]) -> str:
    """Return why a line is none of a list, or an empty text."""
    if words[0] not in _SINKS:
        try:
            address = ip_address(words[0])
        except ValueError:
            return NO_ADDRESS
        if not (address.is_unspecified or address.is_loopback) and set(words[1:]) - _MACHINE_NAMES:
            return OWN_ADDRESS
    return "" if len(words) > 1 else NO_NAME
