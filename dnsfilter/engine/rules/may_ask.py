"""Who may ask, and what an unregistered client gets instead."""

from dnsfilter.config.node_config import Clients
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode, Rcode
from dnsfilter.wire.query import Query
from dnsfilter.wire.reply import empty_reply


def may_ask(client: bytes, range_class: int | None, clients: Clients, snapshot: Snapshot, at: Instant) -> bool:
    """Return whether the client is registered or allowed by configuration, or all authorities are suspended."""
    return range_class is not None or clients.admits(client, at) or snapshot.suspends_all(at)


def unregistered_reply(query: Query, limit: int) -> bytes:
    """Return the refusal to a client that may not ask: REFUSED with Extended DNS Error 18 (RFC 8914 section 4.19)."""
    return empty_reply(query, Rcode.REFUSED, Ede(EdeCode.PROHIBITED), limit)
