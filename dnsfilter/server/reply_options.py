"""Options of replies that concern the connection, not the query: keepalive (RFC 7828) and padding (RFC 7830)."""

from enum import Flag, auto
from struct import Struct
from typing import Final

from dnsfilter.wire.compose import MAX_MESSAGE
from dnsfilter.wire.edns import PADDING_BLOCK
from dnsfilter.wire.iana import OptionCode, Type
from dnsfilter.wire.names import HEADER_SIZE, skip_name
from dnsfilter.wire.query import HEADER, Query, parse_query

_OPTION: Final = Struct("!HH")
_KEEPALIVE_ASKED: Final = OptionCode.TCP_KEEPALIVE.to_bytes(2, "big") + bytes(2)
"""The option as a query holds it: without a timeout."""
_PADDING_CODE: Final = OptionCode.PADDING.to_bytes(2, "big")
_OPT_HEAD: Final = b"\0" + Type.OPT.to_bytes(2, "big")
_QUESTION_TAIL: Final = 4
_RECORD_TAIL: Final = 10
_LENGTH_AT: Final = 9
"""Offset of the size of its data in an OPT."""
_UNITS_PER_S: Final = 10


class Asked(Flag):
    """The options that a query asks for."""

    KEEPALIVE = auto()
    PADDING = auto()


_NONE: Final = Asked(0)


def asked_options(message: bytes, *, encrypted: bool) -> Asked:
    """Return what a message over a stream asks for, if it is a query that can be answered.

    Padding is for encrypted connections only (RFC 7830 section 6).
    """
    may_keep, may_pad = _KEEPALIVE_ASKED in message, encrypted and _PADDING_CODE in message
    if not may_keep and not may_pad:
        return _NONE
    query = parse_query(message, stream=True)
    if not isinstance(query, Query) or query.edns is None:
        return _NONE
    asked = Asked.KEEPALIVE if query.edns.option(OptionCode.TCP_KEEPALIVE) is not None else _NONE
    return asked | (Asked.PADDING if may_pad and query.edns.option(OptionCode.PADDING) is not None else _NONE)


def with_options(reply: bytes, asked: Asked, idle_s: float) -> bytes:
    """Return a reply of ours with these options: the connection is closed once it is idle for `idle_s`.

    Return the reply as it is if it has no OPT, which is its last record, or no room.
    """
    if Asked.KEEPALIVE in asked:
        timeout = round(idle_s * _UNITS_PER_S)
        reply = _with_option(reply, OptionCode.TCP_KEEPALIVE, timeout.to_bytes(2, "big"))
    if Asked.PADDING in asked:
        padded = len(reply) + _OPTION.size
        target = min(-(-padded // PADDING_BLOCK) * PADDING_BLOCK, MAX_MESSAGE)
        reply = _with_option(reply, OptionCode.PADDING, bytes(max(target - padded, 0)))
    return reply


def _with_option(reply: bytes, code: int, data: bytes) -> bytes:
    questions, *records = HEADER.unpack_from(reply)[2:]
    position = HEADER_SIZE
    for _ in range(questions):
        position = skip_name(reply, position) + _QUESTION_TAIL
    for _ in range(sum(records) - 1):
        position = skip_name(reply, position) + _RECORD_TAIL
        position += int.from_bytes(reply[position - 2 : position])
    option = _OPTION.pack(code, len(data)) + data
    if not reply.startswith(_OPT_HEAD, position) or len(reply) + len(option) > MAX_MESSAGE:
        return reply
    size_at = position + _LENGTH_AT
    size = int.from_bytes(reply[size_at : size_at + 2]) + len(option)
    return reply[:size_at] + size.to_bytes(2) + reply[size_at + 2 :] + option
