"""Messages as text for people. The only use of dnslib, which answers no client.

dnslib 0.9.26 follows pointers without limit and rejects valid bytes. Here it reads only single records of checked
messages, with their names uncompressed.
"""

import struct
from typing import Final

from dnslib import RDMAP, DNSBuffer, DNSError
from dnslib.bimap import BimapError
from dnslib.buffer import BufferError  # noqa: A004 - dnslib's own exception, unrelated to the builtin
from dnslib.label import DNSLabelError

from dnsfilter.wire.checker import ADDITIONAL, ANSWER, AUTHORITY, Record, check_message
from dnsfilter.wire.checker import Answer as Checked
from dnsfilter.wire.compose import RawRecord, raw
from dnsfilter.wire.iana import Class, class_text, rcode_text, type_text
from dnsfilter.wire.names import name_text
from dnsfilter.wire.query import FLAG_AA, FLAG_AD, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, FLAG_TC

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
