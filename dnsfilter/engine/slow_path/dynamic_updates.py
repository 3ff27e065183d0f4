"""Dynamic updates (RFC 2136): those for a conditional zone are passed to its servers, for registered clients only.

They are never looked into further: a signed update (TSIG, RFC 8945) stays valid only if no byte changes.
"""

from functools import partial

from dnsfilter.engine.interface import Reply, Update
from dnsfilter.engine.slow_path.query_policy import QueryPolicy
from dnsfilter.errors import MalformedMessage
from dnsfilter.telemetry.metrics import Outcome, Transport
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import Class, Opcode, Rcode, Type
from dnsfilter.wire.query import Fault, read_question
from dnsfilter.wire.reply import empty_reply


def is_taken(fault: Fault, range_class: int | None, zones: Zones) -> bool:
    """Return whether a message is an update for `decide_update`: of a registered client, on a node with zones."""
    return fault.opcode == Opcode.UPDATE and range_class is not None and bool(zones.numbers())


def decide_update(
    message: bytes, fault: Fault, client: bytes, transport: Transport, zones: Zones, policy: QueryPolicy, limit: int
) -> Reply | Update:
    """Return the servers to pass an update to, or its error."""
    zone = _zone_of(message)
    servers = None if zone is None else zones.zone_servers(zone)
    if servers:
        return Update(message, client, servers, partial(policy.count, transport))
    outcome, rcode = (Outcome.MALFORMED, Rcode.FORMERR) if zone is None else (Outcome.UNSUPPORTED, Rcode.NOTAUTH)
    policy.count(transport, outcome, rcode)
    return Reply(empty_reply(fault, rcode, limit=limit))


def _zone_of(message: bytes) -> bytes | None:
    """Return the folded name of the zone. None if the zone section is not one SOA of class IN (section 3.1.1)."""
    if message[4:6] != b"\0\1":
        return None
    try:
        zone, _end = read_question(message)
    except MalformedMessage:
        return None
    return zone.name if (zone.qtype, zone.qclass) == (Type.SOA, Class.IN) else None
