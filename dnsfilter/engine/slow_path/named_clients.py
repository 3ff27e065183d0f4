"""Queries of trusted forwarders, which name their clients in the EDNS client subnet (RFC 7871)."""

from dataclasses import replace

from dnsfilter.policy.fleets import FLEET_HALF
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.edns import answered_subnet, subnet_bounds
from dnsfilter.wire.iana import OptionCode
from dnsfilter.wire.query import Query


def named_client(query: Query, forwarder: bytes, snapshot: Snapshot) -> bytes | None:
    """Return the packed address that decides on a forwarder's query; None if the query has no subnet.

    A complete address is the client. A shorter prefix counts as its first address if one range, and none within it,
    holds all of the prefix, else as the forwarder.
    """
    data = None if query.edns is None else query.edns.option(OptionCode.ECS)
    if data is None:
        return None
    bounds = subnet_bounds(data)
    if bounds is None:
        return forwarder
    first, last = bounds
    if first.startswith(FLEET_HALF):  # only its token names a fleet
        return forwarder
    return first if first == last or snapshot.in_one_range(first, last) else forwarder


def answering_subnet(query: Query) -> Query:
    """Return a query whose replies answer its subnet, so that the forwarder keeps them for this client alone."""
    data = None if query.edns is None else query.edns.option(OptionCode.ECS)
    if query.edns is None or data is None:
        raise ValueError("the query has no client subnet")
    return replace(query, edns=replace(query.edns, answered=answered_subnet(data)))
