"""Find a fleet of a snapshot by what people know it by: its label, or one of its tokens."""

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

from dnsfilter.policy.fleets import is_fleet
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot

_REST = bytes(4)


def fleet_client_of(snapshot: Snapshot, fleet: str, at: Instant) -> IPv6Address:
    """Return the address of a client of a fleet, given by its label or a token that holds at `at`.

    ValueError says which fleets there are, or that the token does not hold.
    """
    token = fleet.encode()
    prefix = snapshot.fleet_prefix(token, at)
    if prefix is not None:
        return IPv6Address(prefix + _REST)
    until = snapshot.fleets.until(token)
    if until is not None:
        when = f"ended {at_words(until)}" if until <= at else "does not hold yet"
        raise ValueError(f"this token {when}: give the fleet's label, or another token")
    known = dict(_labelled(snapshot))
    if fleet not in known:
        labels = ", ".join(f'"{label}"' for label in sorted(known)) or "none"
        raise ValueError(f'there is no fleet "{fleet}" at this site: its fleets are {labels}')
    return known[fleet].network_address


def _labelled(snapshot: Snapshot) -> Iterator[tuple[str, IPv6Network]]:
    for row in snapshot.range_rows:
        packed, length = snapshot.packed_prefix(row)
        if len(packed) != 16 or not is_fleet(prefix := IPv6Network((packed, length))):
            continue
        described = snapshot.describe(packed)
        if described is not None:
            yield described[1], prefix
