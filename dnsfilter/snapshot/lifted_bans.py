"""The bans that are lifted if an older snapshot is in force instead of a newer one. Pure."""

from collections.abc import Iterator

from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot


class LiftedBans:
    """The difference between two snapshots of one site."""

    def __init__(self, newer: Snapshot, older: Snapshot) -> None:
        self._newer = newer
        self._older = older
        self._classes = frozenset(_classes(newer, older))
        self._names_differ = newer.names_digest != older.names_digest

    def at(self, at: Instant) -> tuple[str, ...]:
        """Return the bans, as "authority/service", by which only the newer one refuses a name to a client.

        If the names of services differ, or the older one allows other names, return all that the newer one enforces: a
        name may be missing in the older one.
        """
        lifted: set[str] = set()
        for newer, older in self._classes:
            entries = self._newer.refused_entries(newer, at)
            allows_more = older is not None and bool(
                self._older.allowed_names(older, at) - self._newer.allowed_names(newer, at)
            )
            if older is not None and not self._names_differ and not allows_more:
                entries -= self._older.refused_entries(older, at)
            lifted.update(f"{self._newer.authority(newer)}/{self._newer.entries[entry][0]}" for entry in entries)
        return tuple(sorted(lifted))


def _classes(newer: Snapshot, older: Snapshot) -> Iterator[tuple[int, int | None]]:
    """Yield the classes of registered clients in both snapshots, None for those that the older one does not know.

    Between two addresses at which a network of either begins, or the one before it ends, the classes do not change.
    """
    for snapshot in (newer, older):
        for network, _ in snapshot.networks():
            first = int(network.network_address)
            for number in (first, first + network.num_addresses):
                if number >> network.max_prefixlen == 0:
                    address = number.to_bytes(network.max_prefixlen // 8)
                    if (found := newer.find(address)) is not None:
                        yield found, older.find(address)
