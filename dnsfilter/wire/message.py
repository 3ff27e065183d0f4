"""The only use of dnslib: data of the records that we make ourselves, and messages as text for people.

dnslib 0.9.26 follows pointers without limit, rejects valid bytes and packs wrong pointers beyond 16 KiB. Here it packs
single small records, and reads only single records of checked messages, with their names uncompressed.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from dnslib import AAAA, RDMAP, SOA, TXT, A, DNSBuffer, DNSError
from dnslib.bimap import BimapError
from dnslib.buffer import BufferError  # noqa: A004 - dnslib's own exception, unrelated to the builtin
from dnslib.label import DNSLabelError

from dnsfilter.wire.checker import ADDITIONAL, ANSWER, AUTHORITY, Record, check_message
from dnsfilter.wire.checker import Answer as Checked
from dnsfilter.wire.compose import RawRecord, raw
from dnsfilter.wire.iana import Class, Type, class_text, rcode_text, type_text
from dnsfilter.wire.names import name_text
from dnsfilter.wire.query import FLAG_AA, FLAG_AD, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, FLAG_TC

_MNAME: Final = "localhost."
_RNAME: Final = "nobody.invalid."
_SERIAL: Final = 1
_REFRESH_S: Final = 3600
_RETRY_S: Final = 600
_EXPIRE_S: Final = 86400
_MAX_STRING: Final = 255
_MAX_TEXT: Final = 4096
# Longer data is shown in hexadecimal: nobody reads it, and dnslib's readers guarantee no time limit.
_MAX_SHOWN: Final = 4096
_DNSLIB_ERRORS: Final = (
    DNSError,
    DNSLabelError,
    BimapError,
    BufferError,
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
)
_FLAGS: Final = (
    (FLAG_QR, "qr"),
    (FLAG_AA, "aa"),
    (FLAG_TC, "tc"),
    (FLAG_RD, "rd"),
    (FLAG_RA, "ra"),
    (FLAG_AD, "ad"),
    (FLAG_CD, "cd"),
)
_SECTIONS: Final = ((ANSWER, "answer"), (AUTHORITY, "authority"), (ADDITIONAL, "additional"))


def soa_record(owner: bytes, ttl: int, minimum: int) -> RawRecord:
    """Return the SOA for our denials. It names nobody and lets clients keep a denial `minimum` seconds (RFC 2308)."""
    return RawRecord(owner, Type.SOA, Class.IN, ttl, _soa_data(minimum))


@lru_cache(maxsize=16)
def _soa_data(minimum: int) -> bytes:
    """Return the data of that SOA. It is cached because refusals use only a few minimums."""
    return _packed(SOA(_MNAME, _RNAME, (_SERIAL, _REFRESH_S, _RETRY_S, _EXPIRE_S, minimum)))


def address_record(owner: bytes, ttl: int, address: IPv4Address | IPv6Address | bytes) -> RawRecord:
    """Return an A or AAAA record. ValueError if an address given as bytes has neither 4 nor 16 of them."""
    parsed = ip_address(address)
    if parsed.version == 4:
        return RawRecord(owner, Type.A, Class.IN, ttl, _packed(A(tuple(parsed.packed))))
    return RawRecord(owner, Type.AAAA, Class.IN, ttl, _packed(AAAA(tuple(parsed.packed))))


def txt_record(owner: bytes, ttl: int, text: str) -> RawRecord:
    """Return a TXT record of at most 4,096 bytes of UTF-8, in strings of 255. ValueError if the text is longer."""
    content = text.encode("utf-8", "replace")
    if len(content) > _MAX_TEXT:
        raise ValueError(f"make txt record: {len(content)} bytes are more than {_MAX_TEXT}")
    strings = [content[start : start + _MAX_STRING] for start in range(0, len(content), _MAX_STRING)] or [b""]
    return RawRecord(owner, Type.TXT, Class.IN, ttl, _packed(TXT(strings)))


def txt_strings_record(owner: bytes, ttl: int, texts: Sequence[str]) -> RawRecord:
    """Return a TXT record with a string for each text, cut to 255 bytes of UTF-8."""
    strings = [text.encode("utf-8", "replace")[:_MAX_STRING] for text in texts]
    return RawRecord(owner, Type.TXT, Class.IN, ttl, _packed(TXT(strings)))


def hinfo_record(owner: bytes, ttl: int, cpu: str, os: str) -> RawRecord:
    """Return a HINFO record, as in answers to ANY (RFC 8482 section 4.2). ValueError if a string exceeds 255 bytes."""
    strings = [cpu.encode("utf-8", "replace"), os.encode("utf-8", "replace")]
    if any(len(string) > _MAX_STRING for string in strings):
        raise ValueError(f"make hinfo record: a string is longer than {_MAX_STRING} bytes")
    # dnslib has no HINFO. Its data has the form of a TXT record's (RFC 1035 sections 3.3.2 and 3.3.14).
    return RawRecord(owner, Type.HINFO, Class.IN, ttl, _packed(TXT(strings)))


def _packed(data: Any) -> bytes:
    """Return the wire form of a dnslib record data object."""
    buffer = DNSBuffer()
    data.pack(buffer)
    return bytes(buffer.data)


def describe(message: bytes) -> str:
    """Return a message as text in the style of dig. Raise `MalformedMessage` if the checker rejects it."""
    checked = check_message(message)
    flags = " ".join(text for bit, text in _FLAGS if checked.flags & bit)
    lines = [
        f";; opcode: {(checked.flags >> 11) & 15}, status: {rcode_text(checked.rcode)}, id: {checked.id}",
        f";; flags: {flags}",
    ]
    if checked.edns is not None:
        edns = checked.edns
        lines.append(f";; edns: version {edns.version}, flags:{' do' if edns.do else ''}, udp {edns.payload}")
        lines += [f";; option {code}: {data.hex()}" for code, data in edns.options]
    question = checked.question
    asked = f"{class_text(question.qclass)}\t{type_text(question.qtype)}"
    lines += [";; question", f";{_dotted(question.wire[:-4])}\t{asked}"]
    for number, title in _SECTIONS:
        records = checked.section(number)
        if records:
            lines.append(f";; {title}")
            lines += [_record_text(checked, record) for record in records]
    return "\n".join(lines) + "\n"


def record_data(answer: Checked) -> list[tuple[int, str]]:
    """Return type and data, as text, of each record of the answer section."""
    plain = [raw(answer, record) for record in answer.section(ANSWER)]
    return [(record.rtype, _rdata_text(record)) for record in plain]


def _record_text(checked: Checked, record: Record) -> str:
    plain = raw(checked, record)
    kind = f"{class_text(plain.rclass)}\t{type_text(plain.rtype)}"
    return f"{_dotted(plain.owner)}\t{plain.ttl}\t{kind}\t{_rdata_text(plain)}"


def _dotted(name: bytes) -> str:
    return name_text(name) if name == b"\x00" else name_text(name) + "."


def _rdata_text(record: RawRecord) -> str:
    """Return the data as dnslib writes it, else in hexadecimal (RFC 3597 section 5): dnslib rejects some valid data."""
    hexadecimal = f"\\# {len(record.rdata)} {record.rdata.hex()}".rstrip()
    reader = RDMAP.get(type_text(record.rtype)) if record.rclass == Class.IN else None
    if reader is None or not record.rdata or len(record.rdata) > _MAX_SHOWN:
        return hexadecimal
    try:
        text = str(reader.parse(DNSBuffer(record.rdata), len(record.rdata)).toZone())
    except _DNSLIB_ERRORS:
        return hexadecimal
    # Do not print control characters from a record to a terminal.
    return text if text.isascii() and text.isprintable() else hexadecimal
