"""The names of fleets in a rules file: the tokens by which devices outside ask, and when each holds."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.fleets import FleetName, is_fleet, token_fault
from dnsfilter.policy.intervals import FOREVER, until
from dnsfilter.policy.model import Instant, Prefix, Range
from dnsfilter.snapshot.layout import FLEET_NAME
from dnsfilter.snapshot.sections import Section

_PREFIX_BYTES = 12


def fleet_name_records(names: Iterable[FleetName], ranges: Iterable[Range], since: Instant) -> bytes:
    """Return the section of the names of registered fleets that end after `since`, by token."""
    kept = [each for each in names if until(each.end) > max(since, each.start)]
    if not kept:
        return b""
    registered: set[tuple[str, Prefix]] = {(each.site, each.prefix) for each in ranges if is_fleet(each.prefix)}
    held = (each for each in kept if (each.site, each.prefix) in registered)
    return b"".join(map(_record, sorted(held, key=lambda each: each.token)))


def _record(name: FleetName) -> bytes:
    first = name.prefix.network_address.packed[:_PREFIX_BYTES]
    return FLEET_NAME.pack(name.start, until(name.end), first, name.token.encode(), name.site.encode())


class FleetTable:
    """The names of the fleets of one site, by token."""

    __slots__ = ("_by_token",)

    def __init__(self, section: Section | None, site: str) -> None:
        """Read all names. Raise SnapshotError for a record that is invalid."""
        records = () if section is None else section.all_records(FLEET_NAME)
        known = [_checked(*record) for record in records]
        self._by_token: Mapping[bytes, tuple[Instant, Instant, bytes]] = {
            token: (start, end, prefix) for start, end, prefix, token, own_site in known if own_site == site.encode()
        }

    def prefix(self, token: bytes, at: Instant) -> bytes | None:
        """Return the first bytes of the prefix of the fleet that asks by a token at `at`, or None."""
        start, end, prefix = self._by_token.get(token.lower(), (0, 0, b""))
        return prefix if start <= at < end else None

    def until(self, token: bytes) -> Instant | None:
        """Return when the fleet can no longer ask by a token: None for an unknown one, `FOREVER` for an open end."""
        held = self._by_token.get(token.lower())
        return None if held is None else held[1]

    def has_name(self, client: bytes, at: Instant) -> bool:
        """Return whether the fleet of a packed address can ask by a token at `at`."""
        held = client[:_PREFIX_BYTES]
        return any(prefix == held and start <= at < end for start, end, prefix in self._by_token.values())

    def __len__(self) -> int:
        return len(self._by_token)


def _checked(
    start: Instant, end: Instant, prefix: bytes, token: bytes, site: bytes
) -> tuple[Instant, Instant, bytes, bytes, bytes]:
    text = token.rstrip(b"\0")
    if not start < end <= FOREVER or not text.isascii() or token_fault(text.decode()) is not None:
        raise SnapshotError(f"read snapshot: a fleet's name from {start} to {end} is invalid")
    if not prefix.startswith(IPv6Address("100::").packed[:8]):
        raise SnapshotError("read snapshot: a fleet's prefix lies outside 100::/64")
    return start, end, prefix, text, site.rstrip(b"\0")
