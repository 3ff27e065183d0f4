"""The keepalive option: how long a connection may be idle (RFC 7828). It concerns the connection, not the query."""

from struct import Struct
from typing import Final

from dnsfilter.wire.compose import MAX_MESSAGE
from dnsfilter.wire.iana import OptionCode, Type
from dnsfilter.wire.names import HEADER_SIZE, skip_name
from dnsfilter.wire.query import HEADER, Query, parse_query

_OPTION: Final = Struct("!HHH")
_ASKED: Final = OptionCode.TCP_KEEPALIVE.to_bytes(2, "big") + bytes(2)
"""The option as a query holds it: without a timeout."""
_OPT_HEAD: Final = b"\0" + Type.OPT.to_bytes(2, "big")
_QUESTION_TAIL: Final = 4
_RECORD_TAIL: Final = 10
_LENGTH_AT: Final = 9
"""Offset of the size of its data in an OPT."""
_UNITS_PER_S: Final = 10


def asks_keepalive(message: bytes) -> bool:
    """Return whether a message over TCP is a query that can be answered and has the option."""
    if _ASKED not in message:
        return False
    query = parse_query(message, stream=True)
    return (
        isinstance(query, Query) and query.edns is not None and query.edns.option(OptionCode.TCP_KEEPALIVE) is not None
    )


def with_keepalive(reply: bytes, idle_s: float) -> bytes:
    """Return a reply of ours with the option: the connection is closed once it is idle for `idle_s` (section 3.1).

    Return the reply as it is if it has no OPT, which is its last record, or no room.
    """
    questions, *records = HEADER.unpack_from(reply)[2:]
    position = HEADER_SIZE
    for _ in range(questions):
        position = skip_name(reply, position) + _QUESTION_TAIL
    for _ in range(sum(records) - 1):
        position = skip_name(reply, position) + _RECORD_TAIL
        position += int.from_bytes(reply[position - 2 : position])
    if not reply.startswith(_OPT_HEAD, position) or len(reply) + _OPTION.size > MAX_MESSAGE:
        return reply
    size_at = position + _LENGTH_AT
    size = int.from_bytes(reply[size_at : size_at + 2]) + _OPTION.size
    option = _OPTION.pack(OptionCode.TCP_KEEPALIVE, 2, round(idle_s * _UNITS_PER_S))
    return reply[:size_at] + size.to_bytes(2) + reply[size_at + 2 :] + option
