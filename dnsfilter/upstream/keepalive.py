"""The keepalive option between this node and its upstreams: how long they keep an idle connection (RFC 7828)."""

from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.checker import parse_answer
from dnsfilter.wire.edns import OPT_SIZE, QUERY_PADDING_BLOCK, padding_option
from dnsfilter.wire.iana import Opcode, OptionCode, Type
from dnsfilter.wire.query import OPCODE_BITS, read_question

_ASKING: Final = OptionCode.TCP_KEEPALIVE.to_bytes(2, "big") + bytes(2)
_PADDING: Final = OptionCode.PADDING.to_bytes(2, "big")
_PER_S: Final = 10
_ONE_OPT: Final = b"\0" + Type.OPT.to_bytes(2, "big")


def asking_keepalive(message: bytes) -> bytes | None:
    """Return one of our queries with an empty keepalive option; None if it is an update or has no OPT.

    A padded query stays padded.
    """
    if message[10:12] != b"\0\1" or int.from_bytes(message[2:4], "big") & OPCODE_BITS != Opcode.QUERY:
        return None
    _question, at = read_question(message)
    if message[at : at + len(_ONE_OPT)] != _ONE_OPT:
        return None
    start = at + OPT_SIZE
    options = message[start:]
    if options.startswith(_PADDING):
        options = padding_option(start + len(_ASKING), QUERY_PADDING_BLOCK)
    options = _ASKING + options
    return message[: start - 2] + len(options).to_bytes(2, "big") + options


def answered_timeout_s(answer: bytes) -> float | None:
    """Return for how many seconds the server keeps an idle connection; None if its answer does not say it."""
    try:
        edns = parse_answer(answer).edns
    except MalformedMessage:
        return None
    data = None if edns is None else edns.option(OptionCode.TCP_KEEPALIVE)
    return None if data is None or len(data) != 2 else int.from_bytes(data, "big") / _PER_S
