"""The `[[record]]` tables of the configuration: their faults, and the records that they describe."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from dnsfilter.config.file_schema import RecordTable
from dnsfilter.config.locations import Fault
from dnsfilter.config.node_config import LocalRecord
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import ROOT, is_at_or_below, name_text, parse_name
from dnsfilter.wire.record_text import parse_rdata

LOCAL_ONLY: Final = ("resolver.arpa", "onion")
"""Names for which no server may be asked: RFC 9462 section 6.5 (DDR) and RFC 7686 section 2 (Tor)."""
FIXED_NAMES: Final = (*LOCAL_ONLY, "localhost", "invalid", "dnsfilter.internal")
"""Names that no record may have: these, those with a fixed meaning (RFC 6761 section 6), and this program's own."""

MOST_PER_NAME: Final = 32
"""Maximum number of records of one name. It limits the size of an answer."""


def record_faults(tables: Sequence[RecordTable | None]) -> list[Fault]:
    """Return the faults of these tables. None stands for a table whose own fault is reported elsewhere."""
    faults: list[Fault] = []
    seen: set[tuple[bytes, Type, bytes]] = set()
    types = Counter((table.name, table.type) for table in tables if table is not None)
    ttls: dict[tuple[bytes, Type], int] = {}
    names = Counter(table.name for table in tables if table is not None)
    aliases = {name for name, kind in types if kind is Type.CNAME}
    for index, table in enumerate(tables):
        if table is None:
            continue
        name = name_text(table.name)
        faults += [
            Fault(("record", index, "name"), f"{name} is always answered by the resolver itself")
            for fixed in FIXED_NAMES
            if is_at_or_below(table.name, parse_name(fixed))
        ]
        if table.name == ROOT:
            faults.append(Fault(("record", index, "name"), "the root can have no record here"))
        if table.name.startswith(b"\x01*"):
            faults.append(Fault(("record", index, "name"), f"{name} is no wildcard here: write each name"))
        if (many := names[table.name]) > MOST_PER_NAME:
            faults.append(Fault(("record", index, "name"), f"{name} has {many} records: at most {MOST_PER_NAME}"))
        if table.name in aliases and (table.type is not Type.CNAME or types[table.name, Type.CNAME] > 1):
            # RFC 1034 section 3.6.2
            faults.append(Fault(("record", index, "name"), f"{name} has a CNAME: it can have no other record"))
        if table.ttl != (first := ttls.setdefault((table.name, table.type), table.ttl)):
            # RFC 2181 section 5.2
            faults.append(
                Fault(("record", index, "ttl"), f"must be {first}, as in the first {table.type.name} of {name}")
            )
        try:
            value = (table.name, table.type, parse_rdata(table.type, table.data))
        except ValueError as error:
            faults.append(Fault(("record", index, "data"), str(error)))
            continue
        if value in seen and table.type is not Type.CNAME:
            faults.append(Fault(("record", index), f"is the same {table.type.name} of {name} once more"))
        seen.add(value)
    return faults or list(_loops(tables))


def _loops(tables: Sequence[RecordTable | None]) -> Iterator[Fault]:
    """Yield a fault for each alias that leads back to itself. Names and data have no other fault."""
    aliases = {
        table.name: parse_rdata(table.type, table.data)
        for table in tables
        if table is not None and table.type is Type.CNAME
    }
    for index, table in enumerate(tables):
        if table is None or table.type is not Type.CNAME:
            continue
        name = table.name
        for _ in aliases:
            name = aliases.get(name, b"")
            if name == table.name:
                yield Fault(("record", index, "data"), f"the alias {name_text(name)} leads back to itself")
                break


def local_record(table: RecordTable) -> LocalRecord:
    """Return the record of a table without faults."""
    return LocalRecord(table.name, int(table.type), table.ttl, parse_rdata(table.type, table.data))
