"""The records of a names file, in its order: those of large services first, each in a block of its own.

A block has the names that only one entry has. It stays the same while other services change, so it can be taken from an
earlier file: a refused single name must not sort and pack a million other names.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from dnsfilter.errors import PolicyError
from dnsfilter.policy.model import Service, Tier, WireName
from dnsfilter.snapshot.layout import DOMAIN, HOST, RECORD, RECORD_ENTRY
from dnsfilter.wire.name_order import in_order
from dnsfilter.wire.names import MAX_NAME

LARGE = 10_000
"""The fewest names of a large service."""
GENERATIONS = 2
"""Files whose blocks are kept: an act with another list of a service is prepared while one is in force."""
_BATCH = 10_000

Numbered: TypeAlias = tuple[int, Tier]
"""The number of an entry, and the tier with its names."""
_Key: TypeAlias = tuple[int, frozenset[WireName], frozenset[WireName], frozenset[WireName]]
"""The number of an entry, its domains and hosts, and those that another entry has too."""


def large_size(service: Service) -> int:
    """Return the number of names of a large service; 0 for any other."""
    size = sum(len(tier.domains) + len(tier.hosts) for tier in service.tiers)
    return size if size >= LARGE else 0


@dataclass(frozen=True, slots=True)
class _Block:
    """The records of the names that only one entry has."""

    key: _Key
    names: int
    records: bytes | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of `names` names. Offset 0 means an empty slot, so none is stored there."""

    names: int
    data: bytes = field(repr=False)
    blocks: tuple[_Block, ...] = field(repr=False)


class KeptBlocks:
    """The blocks of the files that were compiled last."""

    def __init__(self) -> None:
        self._files: tuple[tuple[_Block, ...], ...] = ()

    def find(self, key: _Key) -> _Block | None:
        """Return the block with this key, if it is kept. Identical sets are compared at once, equal ones are not."""
        return next((block for blocks in self._files for block in blocks if block.key == key), None)

    def keep(self, records: Records, data: memoryview) -> None:
        """Keep the blocks of a file with these records. `data` is their section: it takes no memory of its own."""
        blocks, start = [], RECORD.size
        for block in records.blocks:
            end = start + len(block.records)
            blocks.append(_Block(block.key, block.names, data[start:end]))
            start = end
        self._files = (tuple(blocks), *self._files)[:GENERATIONS]


def make_records(entries: Sequence[Numbered], large: int, kept: KeptBlocks) -> Records:
    """Return the records of these entries, of which the first `large` are of large services.

    They depend only on the entries: `kept` only saves time. PolicyError for a name that is too long.
    """
    rest = _collect(entries[large:])
    shared = _shared(entries[:large], rest)
    for name in shared:
        packed = (_entry(number, _flags(tier, name)) for number, tier in entries[:large])
        rest[name] = b"".join(packed) + rest.get(name, b"")
    blocks = tuple(_block(number, tier, shared, kept) for number, tier in entries[:large])
    last = _packed((name, rest[name]) for name in in_order(rest))
    data = b"".join((bytes(RECORD.size), *(block.records for block in blocks), last))
    return Records(len(rest) + sum(block.names for block in blocks), data, blocks)


def invalid_name(name: bytes) -> PolicyError:
    """Return the error for a name that no service can have."""
    return PolicyError(f"compile names: {name!r} is not a lower-case wire name below the root")


def _shared(large: Sequence[Numbered], rest: Iterable[WireName]) -> set[WireName]:
    """Return the names of these entries that another of them has, or the rest. The largest is not copied."""
    seen, shared = set(rest), set[WireName]()
    by_size = sorted((tier for _, tier in large), key=lambda tier: len(tier.domains) + len(tier.hosts))
    for tier in by_size:
        shared |= tier.domains & seen
        shared |= tier.hosts & seen
        if tier is not by_size[-1]:
            seen |= tier.domains
            seen |= tier.hosts
    return shared


def _block(number: int, tier: Tier, shared: set[WireName], kept: KeptBlocks) -> _Block:
    left_out = frozenset(name for name in shared if name in tier.domains or name in tier.hosts)
    key = number, tier.domains, tier.hosts, left_out
    found = kept.find(key)
    if found is not None:
        return found
    names = tier.domains | tier.hosts if tier.hosts else tier.domains
    by_flags = {flags: _entry(number, flags) for flags in (DOMAIN, HOST, DOMAIN | HOST)}
    rows = ((name, by_flags[_flags(tier, name)]) for name in in_order(names) if name not in left_out)
    return _Block(key, len(names) - len(left_out), _packed(rows))


def _flags(tier: Tier, name: WireName) -> int:
    return (DOMAIN if name in tier.domains else 0) | (HOST if name in tier.hosts else 0)


def _entry(number: int, flags: int) -> bytes:
    return RECORD_ENTRY.pack(number, flags) if flags else b""


def _collect(entries: Iterable[Numbered]) -> dict[WireName, bytes]:
    """Return each name's packed entries, whose order depends only on the services."""
    found: dict[WireName, bytes] = {}
    for number, tier in entries:
        both = tier.domains & tier.hosts
        for names, flags in (
            (tier.domains - both if both else tier.domains, DOMAIN),
            (tier.hosts - both if both else tier.hosts, HOST),
            (both, DOMAIN | HOST),
        ):
            packed = _entry(number, flags)
            for name in names:
                found[name] = found.get(name, b"") + packed
    return found


def _packed(names: Iterable[tuple[WireName, bytes]]) -> bytes:
    """Return the records of names with their packed entries."""
    records = bytearray()
    heads: dict[bytes, list[bytes]] = {}
    for some in _batches(names):
        parts: list[bytes] = []
        for name, packed in some:
            sizes = heads.get(packed)
            if sizes is None:
                count = len(packed) // RECORD_ENTRY.size
                sizes = heads[packed] = [RECORD.pack(count, size) for size in range(MAX_NAME + 1)]
            if len(name) > MAX_NAME:
                raise invalid_name(name)
            parts += (sizes[len(name)], name, packed)
        records += b"".join(parts)
    return bytes(records)


def _batches(names: Iterable[tuple[WireName, bytes]]) -> Iterator[list[tuple[WireName, bytes]]]:
    left = iter(names)
    while batch := list(islice(left, _BATCH)):
        yield batch
