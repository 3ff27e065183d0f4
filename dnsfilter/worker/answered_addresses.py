"""The addresses that a reply gives its client."""

from typing import Final

from dnsfilter.wire.checker import ANSWER, check_message
from dnsfilter.wire.iana import Class, Type
from dnsfilter.wire.private_addresses import hints

_ADDRESSES: Final = frozenset({int(Type.A), int(Type.AAAA)})
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})


def answered_addresses(reply: bytes) -> dict[bytes, int]:
    """Return each packed address of the answer section, also hints of service bindings, with its longest TTL.

    Raise `MalformedMessage` if the checker rejects the reply.
    """
    found: dict[bytes, int] = {}
    answer = check_message(reply)
    for record in answer.section(ANSWER):
        if record.rclass != Class.IN:
            continue
        if record.rtype in _ADDRESSES:
            addresses = [reply[record.rdata : record.end]]
        elif record.rtype in _SERVICE_BINDINGS:
            addresses = hints(reply, record)
        else:
            continue
        for address in addresses:
            found[address] = max(record.ttl, found.get(address, 0))
    return found
