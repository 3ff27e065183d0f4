"""The names file: the entries that a name belongs to. Compiled from the services, read in place.

An entry is one tier of one service, and those names of it that are enforced from the same instant.

An open-addressing hash table with linear probing. A slot holds the upper half of the name's hash and the record's
offset. So looking up a missing name costs one cache line and reads no record.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from sys import byteorder
from typing import NamedTuple, TypeAlias

from dnsfilter.errors import PolicyError, SnapshotError
from dnsfilter.policy.model import Instant, Service, Tier, WireName
from dnsfilter.snapshot.hashing import extend, hash_parameters, spread
from dnsfilter.snapshot.layout import (
    DOMAIN,
    ENTRY,
    HASH_KEY_BYTES,
    HOST,
    MAX_ENTRIES,
    NAMES_META,
    RECORD,
    RECORD_ENTRY,
    SLOT,
    Kind,
    Part,
)
from dnsfilter.snapshot.name_records import KeptBlocks, Records, invalid_name, large_size, make_records
from dnsfilter.snapshot.sections import Buffer, File, Section, Strings, read_file, write_file
from dnsfilter.wire.names import MAX_LABEL, ROOT

DEFAULT_HASH_KEY = bytes.fromhex("9d3f5a0b71c2e84d16a7f3805be9c42d")
_KEPT_PARENTS = 100_000
_MAX_LABELS = 127


Filled: TypeAlias = tuple[int, int, int]
"""The offset of the first record without a lower-case wire name, or 0; longest probe; most labels of a name."""
Filler: TypeAlias = Callable[[bytes, bytearray, bytes], Filled]
"""Fills empty slots with the records, by a hash key."""


class NameEntry(NamedTuple):
    """An entry. `enforced_from` is 0 if its names were never pending."""

    service: str
    tier: int
    enforced_from: Instant


class Matched(NamedTuple):
    """An entry that a name belongs to, by the longest of the entry's names that matches.

    `suffix` is the size in bytes of that name with its root label. `domain` is False if only a host name matched.
    `target` is True if the entry matches only a target of the answer, and not the question.
    """

    entry: int
    suffix: int
    domain: bool
    target: bool = False


def entries_of(services: Iterable[Service]) -> tuple[NameEntry, ...]:
    """Return every entry, in the order of the entries' numbers: those of large services first, the largest first."""
    return tuple(dict.fromkeys(entry for entry, _ in _in_order(services)))


def _in_order(services: Iterable[Service]) -> list[tuple[NameEntry, Tier]]:
    """Return the tiers with their entries. A large service keeps its numbers while small ones come and go."""
    return [
        (entry, tier)
        for service in sorted(services, key=lambda service: (-large_size(service), service.slug))
        for entry, tier in sorted(((_entry(service, tier), tier) for tier in service.tiers), key=itemgetter(0))
    ]


def _entry(service: Service, tier: Tier) -> NameEntry:
    return NameEntry(service.slug, tier.number, tier.enforced_from or 0)


def compile_names(
    services: tuple[Service, ...],
    hash_key: bytes = DEFAULT_HASH_KEY,
    fill: Filler | None = None,
    kept: KeptBlocks | None = None,
) -> File:
    """Compile the names file of these services. Equal services and key give equal files. PolicyError for a bad name.

    `fill` does what `fill_slots` does, faster. `kept` has the records of large services that were compiled before.
    """
    if len(hash_key) != HASH_KEY_BYTES:
        raise ValueError(f"compile names: the hash key has {len(hash_key)} bytes instead of {HASH_KEY_BYTES}")
    entries = entries_of(services)
    if len(entries) > MAX_ENTRIES:
        raise PolicyError(f"compile names: {len(entries)} tiers are more than {MAX_ENTRIES}")
    strings = Strings()
    table = b"".join(ENTRY.pack(strings.add(slug), tier, instant) for slug, tier, instant in entries)
    kept = KeptBlocks() if kept is None else kept
    records = _records(services, entries, kept)
    slots = bytearray(SLOT.size * _slot_count(records.names))
    fault, longest_probe, most_labels = (fill or fill_slots)(records.data, slots, hash_key)
    if fault:
        start = fault + RECORD.size
        raise invalid_name(records.data[start : start + RECORD.unpack_from(records.data, fault)[1]])
    meta = NAMES_META.pack(hash_key, len(slots) // SLOT.size, records.names, longest_probe, most_labels)
    if byteorder == "big":
        swapped = array("I", slots)
        swapped.byteswap()
        slots = bytearray(swapped)
    file = write_file(
        Kind.NAMES,
        {
            Part.STRINGS: strings.data(),
            Part.NAMES_META: meta,
            Part.SLOTS: bytes(slots),
            Part.RECORDS: records.data,
            Part.ENTRIES: table,
        },
    )
    kept.keep(records, read_file(Kind.NAMES, file.data)[Part.RECORDS].data)
    return file


def _records(services: Iterable[Service], entries: Iterable[NameEntry], kept: KeptBlocks) -> Records:
    numbers = {entry: number for number, entry in enumerate(entries)}
    tiers = [(numbers[entry], tier) for entry, tier in _in_order(services)]
    return make_records(tiers, sum(len(service.tiers) for service in services if large_size(service)), kept)


def fill_slots(records: bytes, slots: bytearray, key: bytes) -> Filled:
    """Fill the empty slots: upper half of the hash and offset of the record, in the machine's byte order."""
    table = memoryview(slots).cast("I")
    mask = len(table) // 2 - 1
    _multiplier, offset = hash_parameters(key)
    hashed = _hasher(key)
    longest_probe = most_labels = 0
    position = RECORD.size
    while position < len(records):
        count, size = RECORD.unpack_from(records, position)
        start = position + RECORD.size
        name = records[start : start + size]
        starts = _label_starts(name)
        if not starts or name != name.lower():
            return position, longest_probe, most_labels
        slot, upper = spread(hashed(name), offset)
        probe = 1
        slot &= mask
        while table[2 * slot + 1]:
            slot = (slot + 1) & mask
            probe += 1
        table[2 * slot] = upper
        table[2 * slot + 1] = position
        position = start + size + count * RECORD_ENTRY.size
        if probe > longest_probe:
            longest_probe = probe
        if len(starts) > most_labels:
            most_labels = len(starts)
    return 0, longest_probe, most_labels


def _slot_count(names: int) -> int:
    """Return a power of two, at least one and a half slots per name: at most two thirds of the table are used."""
    return 1 << max(4, (names + names // 2).bit_length())


def _hasher(hash_key: bytes) -> Callable[[WireName], int]:
    """Return a function for the running hash of a name. It caches those of parents, which many names share."""
    multiplier, _offset = hash_parameters(hash_key)
    parents: dict[WireName, int] = {ROOT: 0}

    def hashed(name: WireName) -> int:
        size = name[0] + 1
        parent = name[size:]
        running = parents.get(parent)
        if running is None:
            if len(parents) > _KEPT_PARENTS:
                parents.clear()
                parents[ROOT] = 0
            running = parents[parent] = hashed(parent)
        return extend(running, name[:size], multiplier)

    return hashed


class NameTable:
    """A names file, read in place."""

    __slots__ = ("_labels", "_mask", "_multiplier", "_offset", "_probes", "_records", "_slots", "entries", "parts")

    def __init__(self, buffer: Buffer) -> None:
        """Check that everything lies within the file. Raise SnapshotError if not."""
        self.parts = parts = read_file(Kind.NAMES, buffer)
        self._slots = parts[Part.SLOTS]
        self._records = parts[Part.RECORDS]
        if len(parts[Part.NAMES_META]) != NAMES_META.size:
            raise SnapshotError("read snapshot: the names file does not have exactly one description of its table")
        key, slots, names, probes, labels = parts[Part.NAMES_META].record(NAMES_META, 0)
        if slots.bit_count() != 1 or slots * SLOT.size != len(self._slots) or not max(names, probes) < slots:
            raise SnapshotError(f"read snapshot: the names file has no table of {slots} slots")
        self._multiplier, self._offset = hash_parameters(key)
        self._mask: int = slots - 1
        self._probes: int = probes
        self._labels: int = min(labels, _MAX_LABELS)
        self.entries = read_entries(parts)

    def match(self, name: WireName) -> tuple[Matched, ...]:
        """Return every entry that a folded wire name belongs to, by entry, each with its longest suffix.

        Raise SnapshotError for a record that does not lie within the file.
        """
        starts = _label_starts(name)
        found: dict[int, Matched] = {}
        running = 0
        end = len(name) - 1
        for start in reversed(starts[-self._labels :] if self._labels else ()):
            running = extend(running, name[start:end], self._multiplier)
            end = start
            record = self._find(running, name[start:])
            if record:
                self._add(found, record, len(name) - start, start == 0)
        if len(found) < 2:
            return tuple(found.values())
        return tuple(found[entry] for entry in sorted(found))

    def _find(self, running: int, name: WireName) -> int:
        """Return the offset of the record of exactly that name, or 0."""
        slot, upper = spread(running, self._offset)
        for _ in range(self._probes):
            slot &= self._mask
            kept, record = self._slots.record(SLOT, slot)
            if not record:
                return 0
            if kept == upper:
                _entries, size = self._records.at(RECORD, record)
                if size == len(name) and self._records.slice(record + RECORD.size, size) == name:
                    return int(record)
            slot += 1
        return 0

    def _add(self, found: dict[int, Matched], record: int, suffix: int, is_queried_name: bool) -> None:
        """Add the record's entries, replacing those of shorter suffixes. A host entry matches only the queried name."""
        count, size = self._records.at(RECORD, record)
        first = record + RECORD.size + size
        for position in range(count):
            entry, flags = self._records.at(RECORD_ENTRY, first + position * RECORD_ENTRY.size)
            if entry >= len(self.entries):
                raise SnapshotError(f"read snapshot: the names file has no entry {entry}")
            if flags & DOMAIN or (flags & HOST and is_queried_name):
                found[entry] = Matched(entry, suffix, bool(flags & DOMAIN))


def read_entries(parts: Mapping[Part, Section]) -> tuple[NameEntry, ...]:
    """Return the entries of a names file. Raise SnapshotError for a service without a slug."""
    strings = parts[Part.STRINGS]
    return tuple(NameEntry(strings.text(slug), *others) for slug, *others in parts[Part.ENTRIES].all_records(ENTRY))


def _label_starts(name: WireName) -> list[int]:
    """Return the offset of each label of a wire name, without the root. Return [] for an invalid name."""
    starts: list[int] = []
    position = 0
    end = len(name) - 1
    while position < end and 0 < (size := name[position]) <= MAX_LABEL:
        starts.append(position)
        position += size + 1
    return starts if position == end and name[end] == 0 else []
