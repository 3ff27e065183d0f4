"""The node's own records: a few names that it answers itself, before the cache and any upstream."""

from collections.abc import Mapping, Sequence
from typing import Final

from dnsfilter.config.node_config import LocalRecord


class LocalRecords:
    """The records by name. It is immutable."""

    def __init__(self, records: Sequence[LocalRecord] = ()) -> None:
        by_name: dict[bytes, tuple[LocalRecord, ...]] = {}
        for record in records:
            by_name[record.name] = (*by_name.get(record.name, ()), record)
        self._by_name: Final[Mapping[bytes, tuple[LocalRecord, ...]]] = by_name

    @property
    def names(self) -> tuple[bytes, ...]:
        """The folded names that have a record."""
        return tuple(self._by_name)

    def __contains__(self, name: bytes) -> bool:
        return name in self._by_name

    def of(self, name: bytes) -> tuple[LocalRecord, ...]:
        """Return the records of a folded name."""
        return self._by_name.get(name, ())
