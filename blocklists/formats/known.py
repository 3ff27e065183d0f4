"""The known formats: which reader and writer each has, and which one a list is in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from blocklists.formats import adblock, domains, hosts, rpz, unbound
from blocklists.formats.items import Item, Parsed, comment
from dnsfilter.errors import ListError

Reader: TypeAlias = Callable[[Iterable[str], bool | None], Iterator[Parsed]]


class Format(StrEnum):
    """A format that can be read and written."""

    DOMAINS = "domains"
    HOSTS = "hosts"
    ADBLOCK = "adblock"
    RPZ = "rpz"


UNBOUND: Final = "unbound"
"""The format that is only written."""
READERS: Final[Mapping[Format, Reader]] = {
    Format.DOMAINS: domains.read_domains,
    Format.HOSTS: hosts.read_hosts,
    Format.ADBLOCK: adblock.read_adblock,
    Format.RPZ: rpz.read_rpz,
}


@dataclass(frozen=True, slots=True)
class Writer:
    """How a format is written. `line` returns an empty text for an item that the format cannot say."""

    comment: str
    line: Callable[[Item], str]
    head: Callable[[int], str] = lambda serial: ""


WRITERS: Final[Mapping[str, Writer]] = {
    Format.DOMAINS: Writer(domains.COMMENT, domains.domains_line),
    Format.HOSTS: Writer(hosts.COMMENT, hosts.hosts_line),
    Format.ADBLOCK: Writer(adblock.COMMENT, adblock.adblock_line),
    Format.RPZ: Writer(rpz.COMMENT, rpz.rpz_line, rpz.rpz_head),
    UNBOUND: Writer(unbound.COMMENT, unbound.unbound_line, lambda serial: unbound.HEAD),
}


def detect(lines: Sequence[str]) -> Format:
    """Return the format whose reader finds most names in these first lines of a list, less what it skips.

    Raise ListError if none finds a name.
    """
    best, most = None, 0
    for known, reader in READERS.items():
        parsed = list(reader(lines, None))
        names = sum(isinstance(each, Item) for each in parsed)
        score = 2 * names - len(parsed)
        if names and (best is None or score > most):
            best, most = known, score
    if best is None:
        raise ListError(f"read list: its beginning has no name in any known format ({', '.join(Format)}). Give another")
    return best


def written(name: str, items: Iterable[Item], remark: str, serial: int, left_out: list[Item]) -> Iterator[str]:
    """Yield the lines of a list in that format. Append the items that the format cannot say to `left_out`."""
    writer = WRITERS[name]
    yield from comment(remark, writer.comment)
    head = writer.head(serial)
    if head:
        yield head
    for item in items:
        line = writer.line(item)
        if line:
            yield line
        else:
            left_out.append(item)
