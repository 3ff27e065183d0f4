"""EDNS(0): the OPT record and its options (RFC 6891), and extended DNS errors (RFC 8914).

OPT is hop by hop. OPT records of clients and upstreams are read here and never passed on; our own are built here.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.iana import OptionCode, Type

OUR_PAYLOAD: Final = 1232
"""UDP payload size that we announce: an IPv6 packet of 1,280 bytes (the smallest MTU) less 48 bytes of headers."""
PADDING_BLOCK: Final = 468
"""Padded replies have a multiple of this many bytes (RFC 8467 section 4.1)."""
MAX_OPTIONS: Final = 32
"""Maximum number of options kept of one OPT. Further ones are only checked for form, as RFC 6891 allows."""
MAX_EDE_TEXT: Final = 1024
"""Maximum number of bytes of an extended error's text. A longer text is left out; the code is sent."""
_OPTION: Final = Struct("!HH")
_FIXED: Final = Struct("!xHHIH")
_DO: Final = 0x8000
OPT_SIZE: Final = _FIXED.size
"""Bytes of an OPT record without options."""
QUERY_PADDING_BLOCK: Final = 128
"""A query on an encrypted connection is filled to a multiple of this (RFC 8467 section 4.1)."""
_ECS_BITS: Final = {0: 0, 1: 32, 2: 128}
_ECS_FIXED: Final = 4
"""Bytes of a client subnet before its address: family, source and scope prefix length."""
_MAPPED: Final = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Edns:
    """The content of a peer's OPT. `options` are (code, data) in its order, at most MAX_OPTIONS.

    Replies have the options in `answered` and the COOKIE option in `cookie`, both in wire form. `is_proven`: the peer
    sent a valid server cookie, so that its address is not forged.
    """

    payload: int
    version: int
    do: bool
    options: tuple[tuple[int, bytes], ...] = ()
    answered: bytes = b""
    cookie: bytes = b""
    is_proven: bool = False

    def option(self, code: int) -> bytes | None:
        """Return the data of the first option with that code, or None."""
        return next((data for found, data in self.options if found == code), None)

    @property
    def reads_json(self) -> bool:
        """Return whether the peer reads an extended error's text as JSON (draft-ietf-dnsop-structured-dns-error-09).

        It says so by an extended error of its own. Later revisions have an option for this, without a number yet.
        """
        return self.option(OptionCode.EDE) is not None


@dataclass(frozen=True, slots=True)
class Ede:
    """An extended DNS error: a code of RFC 8914 and a text for people."""

    code: int
    text: str = ""


def parse_edns(payload: int, flags: int, options: bytes) -> Edns:
    """Return the parts of an OPT record as values: its class, its TTL (version and flags), its RDATA.

    Options of an unsupported version are not read. Raise `MalformedMessage` if options do not fill the RDATA exactly.
    """
    version = (flags >> 16) & 0xFF
    parsed = _parse_options(options) if options and version == 0 else ()
    return Edns(payload, version, flags & _DO != 0, parsed)


def _parse_options(rdata: bytes) -> tuple[tuple[int, bytes], ...]:
    options: list[tuple[int, bytes]] = []
    position = 0
    size = len(rdata)
    while position < size:
        if size - position < 4:
            raise MalformedMessage(f"read opt: option cut short at byte {position} of its data")
        code, length = _OPTION.unpack_from(rdata, position)
        position += 4 + length
        if position > size:
            raise MalformedMessage(f"read opt: option {code} runs past the record's end")
        if len(options) < MAX_OPTIONS:
            options.append((code, rdata[position - length : position]))
    return tuple(options)


def is_client_subnet(data: bytes) -> bool:
    """Return whether the data of an ECS option in a query is well-formed (RFC 7871 section 6).

    Family 0 has an empty prefix. The address has as many bytes as the prefix needs, with no bit set beyond it.
    """
    if len(data) < _ECS_FIXED:
        return False
    family, source, scope = int.from_bytes(data[:2], "big"), data[2], data[3]
    address = data[_ECS_FIXED:]
    if scope or source > _ECS_BITS.get(family, -1) or len(address) != (source + 7) // 8:
        return False
    unused = -source % 8
    return not unused or not address[-1] & ((1 << unused) - 1)


def subnet_bounds(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the first and the last address of a well-formed ECS option, packed; None if it names nobody.

    IPv4-mapped addresses become IPv4 addresses.
    """
    source = data[2]
    size = _ECS_BITS[int.from_bytes(data[:2], "big")] // 8
    if not source:
        return None
    first = data[_ECS_FIXED:].ljust(size, b"\0")
    last = (int.from_bytes(first, "big") | ((1 << (8 * size - source)) - 1)).to_bytes(size, "big")
    if source >= 8 * len(_MAPPED) and first.startswith(_MAPPED):
        return first[len(_MAPPED) :], last[len(_MAPPED) :]
    return first, last


def answered_subnet(data: bytes) -> bytes:
    """Return the ECS option that answers one, in wire form: it is for exactly this subnet (RFC 7871 section 7.2.1)."""
    return _OPTION.pack(OptionCode.ECS, len(data)) + data[:3] + data[2:3] + data[_ECS_FIXED:]


def cookie_option(data: bytes) -> bytes:
    """Return a COOKIE option in wire form."""
    return _OPTION.pack(OptionCode.COOKIE, len(data)) + data


def is_cookie(data: bytes) -> bool:
    """Return whether the data of a COOKIE option in a query has a valid size (RFC 7873 section 4).

    A client cookie has 8 bytes. A server cookie after it has 8 to 32.
    """
    return len(data) == 8 or 16 <= len(data) <= 40


def opt_record(payload: int, do: bool, options: bytes = b"", ext_rcode: int = 0) -> bytes:
    """Return an OPT record of version 0. `options` are in wire form; `ext_rcode` is the rcode's upper eight bits."""
    return _FIXED.pack(Type.OPT, payload, (ext_rcode << 24) | (_DO if do else 0), len(options)) + options


def padding_option(size: int, block: int) -> bytes:
    """Return the option that fills a message of `size` bytes to a multiple of `block` (RFC 7830)."""
    length = -(size + _OPTION.size) % block
    return _OPTION.pack(OptionCode.PADDING, length) + bytes(length)


def ede_option(ede: Ede) -> bytes:
    """Return an extended error as an option, its text in UTF-8 without a terminating zero (RFC 8914 section 2)."""
    text = ede.text.encode("utf-8", "replace")
    if len(text) > MAX_EDE_TEXT:
        text = b""
    return _OPTION.pack(OptionCode.EDE, 2 + len(text)) + ede.code.to_bytes(2, "big") + text
