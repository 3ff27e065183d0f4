"""Add single names to a names file, without compiling its other names again.

What the file has stays where it is: new strings, entries and records come after it. So the numbers of its entries stay
the same, and a million names are copied, not read.
"""

from collections.abc import Iterable

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import WireName
from dnsfilter.policy.single_names import single_name
from dnsfilter.snapshot.hashing import extend, hash_parameters, spread
from dnsfilter.snapshot.layout import (
    DOMAIN,
    ENTRY,
    HOST,
    MAX_ENTRIES,
    NAMES_META,
    RECORD,
    RECORD_ENTRY,
    SLOT,
    STRING,
    Kind,
    Part,
)
from dnsfilter.snapshot.names_file import NameEntry, entries_of, read_entries
from dnsfilter.snapshot.sections import Buffer, File, read_file, write_file
from dnsfilter.wire.names import label_count, name_text, suffixes

_FLAGS = {1: DOMAIN, 2: HOST}
"""The flags of the two tiers of a single name's service."""


def with_names(names: Buffer, wanted: Iterable[WireName]) -> File | None:
    """Return the names file with the services of these single names. None if it has them all.

    Raise SnapshotError for a damaged file, or if there are too many entries.
    """
    parts = read_file(Kind.NAMES, names)
    known = read_entries(parts)
    missing = sorted(name for name in set(wanted) if NameEntry(name_text(name), 1, 0) not in known)
    if not missing:
        return None
    entries, strings = bytearray(parts[Part.ENTRIES].data), bytearray(parts[Part.STRINGS].data)
    table = _Table(*(bytearray(parts[part].data) for part in (Part.NAMES_META, Part.SLOTS, Part.RECORDS)))
    number = len(known)
    for name in missing:
        service = single_name(name_text(name))
        reference = len(strings)
        strings += STRING.pack(len(service.slug)) + service.slug.encode()
        packed = b""
        for entry in entries_of([service]):
            entries += ENTRY.pack(reference, entry.tier, entry.enforced_from)
            packed += RECORD_ENTRY.pack(number, _FLAGS[entry.tier])
            number += 1
        table.add(name, packed)
    if number > MAX_ENTRIES:
        raise SnapshotError(f"add names to a snapshot: {number} entries are more than {MAX_ENTRIES}")
    return write_file(
        Kind.NAMES,
        {
            Part.STRINGS: bytes(strings),
            Part.NAMES_META: table.meta(),
            Part.SLOTS: bytes(table.slots),
            Part.RECORDS: bytes(table.records),
            Part.ENTRIES: bytes(entries),
        },
    )


class _Table:
    """The table of a names file while it grows."""

    def __init__(self, meta: bytearray, slots: bytearray, records: bytearray) -> None:
        self._key, self._count, self._names, self._probes, self._labels = NAMES_META.unpack(meta)
        if self._count.bit_count() != 1 or self._count * SLOT.size != len(slots):
            raise SnapshotError(f"read snapshot: the names file has no table of {self._count} slots")
        self._multiplier, self._offset = hash_parameters(self._key)
        self.slots, self.records = slots, records

    def add(self, name: WireName, packed: bytes) -> None:
        """Add a name with its packed entries. A name that is there keeps its own entries before them."""
        if 4 * (self._names + 1) > 3 * self._count:
            self._grow()
        slot, upper, probe, record = self._find(name)
        if record:
            count, size = RECORD.unpack_from(self.records, record)
            start = record + RECORD.size + size
            packed = bytes(self.records[start : start + count * RECORD_ENTRY.size]) + packed
        else:
            self._names += 1
        SLOT.pack_into(self.slots, slot * SLOT.size, upper, len(self.records))
        self.records += RECORD.pack(len(packed) // RECORD_ENTRY.size, len(name)) + name + packed
        self._probes = max(self._probes, probe)
        self._labels = max(self._labels, label_count(name))

    def meta(self) -> bytes:
        """Return the description of the table."""
        return NAMES_META.pack(self._key, self._count, self._names, self._probes, self._labels)

    def _grow(self) -> None:
        """Double the slots. Only a small table gets full by some hundred names."""
        old = self.slots
        self._count *= 2
        self._probes = 0
        self.slots = bytearray(self._count * SLOT.size)
        for _, record in SLOT.iter_unpack(old):
            if record:
                slot, upper, probe, _ = self._find(self._name(record))
                SLOT.pack_into(self.slots, slot * SLOT.size, upper, record)
                self._probes = max(self._probes, probe)

    def _find(self, name: WireName) -> tuple[int, int, int, int]:
        """Return the name's slot, the upper half of its hash, the probes to it, and its record, or 0 if it is free."""
        running = 0
        for suffix in reversed(list(suffixes(name))):
            running = extend(running, suffix[: suffix[0] + 1], self._multiplier)
        slot, upper = spread(running, self._offset)
        for probe in range(1, self._count + 1):
            slot &= self._count - 1
            kept, record = SLOT.unpack_from(self.slots, slot * SLOT.size)
            if not record or (kept == upper and self._name(record) == name):
                return slot, upper, probe, record
            slot += 1
        raise SnapshotError("read snapshot: the table of the names file is full")

    def _name(self, record: int) -> WireName:
        if record + RECORD.size > len(self.records):
            raise SnapshotError(f"read snapshot: the names file has no record at byte {record}")
        _, size = RECORD.unpack_from(self.records, record)
        return bytes(self.records[record + RECORD.size : record + RECORD.size + size])
