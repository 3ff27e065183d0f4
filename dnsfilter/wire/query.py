"""Read clients' queries, and build our queries to upstreams."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.edns import (
    OPT_SIZE,
    OUR_PAYLOAD,
    QUERY_PADDING_BLOCK,
    Ede,
    Edns,
    is_client_subnet,
    is_cookie,
    opt_record,
    padding_option,
    parse_edns,
)
from dnsfilter.wire.iana import Class, EdeCode, Opcode, OptionCode, Rcode, Type
from dnsfilter.wire.names import HEADER_SIZE, ROOT, HopBudget, read_name, skip_labels, skip_name

HEADER: Final = Struct("!6H")
RECORD: Final = Struct("!HHIH")
_QUESTION_TAIL: Final = Struct("!HH")

FLAG_QR: Final = 0x8000
OPCODE_BITS: Final = 0x7800
FLAG_AA: Final = 0x0400
FLAG_TC: Final = 0x0200
FLAG_RD: Final = 0x0100
FLAG_RA: Final = 0x0080
FLAG_AD: Final = 0x0020
FLAG_CD: Final = 0x0010

# Queries hardly ever hold a compressed name: only the additional records of TSIG and SIG(0) may.
_QUERY_HOPS: Final = 128
MIN_RECORD: Final = 11
"""Size in bytes of a record whose owner is the root and whose data is empty."""

# Types that ask a server to do something else than to look up data (RFC 2930, RFC 1995, RFC 1035 section 3.2.3).
_UNSUPPORTED_TYPES: Final = frozenset({Type.TKEY, Type.IXFR, Type.AXFR, Type.MAILB, Type.MAILA})
# Types that are invalid in questions: RFC 6891, RFC 8945, and RFC 9824 section 3.5.
_NOT_ASKED_TYPES: Final = frozenset({Type.OPT, Type.TSIG, Type.NXNAME})


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `wire` is name, type and class exactly as asked (never compressed); `name` is folded."""

    wire: bytes
    name: bytes
    qtype: int
    qclass: int


@dataclass(frozen=True, slots=True)
class Query:
    """A query that we can answer."""

    id: int
    rd: bool
    ad: bool
    cd: bool
    question: Question
    edns: Edns | None

    @property
    def do(self) -> bool:
        """Return whether the client wants DNSSEC records (RFC 3225)."""
        return self.edns is not None and self.edns.do


@dataclass(frozen=True, slots=True)
class Fault:
    """A query whose only answer is `rcode`. `question` is copied into the answer; it is empty if it was unreadable.

    `asks_cookie`: it has no question, but a cookie to answer (RFC 7873 section 5.4).
    """

    id: int
    opcode: int
    rd: bool
    cd: bool
    rcode: int
    question: bytes
    edns: Edns | None
    ede: Ede | None = None
    asks_cookie: bool = False


def parse_query(message: bytes, *, stream: bool = False) -> Query | Fault | None:
    """Return the query in a client's message, or None for silence: it is too short for a header, or a response.

    `stream` says that it came over TCP, where the keepalive option counts.

    Never raise, for any bytes. Sources: RFC 1035 section 4, RFC 9619 (one question), RFC 6891 (OPT, versions).
    """
    if len(message) < HEADER_SIZE:
        return None
    number, flags, qdcount, ancount, nscount, arcount = HEADER.unpack_from(message)
    if flags & FLAG_QR:
        return None
    opcode = (flags >> 11) & 15
    question: Question | None = None
    edns: Edns | None = None
    rcode: int | None = None
    try:
        if qdcount == 1:
            question, position = read_question(message)
        else:
            rcode, position = Rcode.FORMERR, _skip_questions(message, qdcount)
        edns = _read_edns(message, position, ancount + nscount, arcount)
    except MalformedMessage:
        rcode = Rcode.FORMERR
    rd = flags & FLAG_RD != 0
    cd = flags & FLAG_CD != 0
    if rcode is None and not opcode and question is not None:
        rcode = _refusal_rcode(question, edns, ancount + nscount, stream)
        if rcode is None:
            return Query(number, rd, flags & FLAG_AD != 0, cd, question, edns)
    wire = question.wire if question is not None else b""
    if opcode:
        rcode = Rcode.NOTIMP
        if opcode == Opcode.UPDATE:
            wire = b""  # An UPDATE has a zone here (RFC 2136 section 2.3), which may be left out (section 3.8).
    elif question is not None and rcode == Rcode.FORMERR and question.qtype == Type.NXNAME:
        return Fault(number, opcode, rd, cd, rcode, wire, edns, Ede(EdeCode.INVALID_QUERY_TYPE))
    asks_cookie = not (qdcount or opcode or ancount or nscount) and _asks_cookie(edns, stream)
    return Fault(number, opcode, rd, cd, rcode or Rcode.FORMERR, wire, edns, asks_cookie=asks_cookie)


def _asks_cookie(edns: Edns | None, stream: bool) -> bool:
    """Return whether the OPT of a query without a question, all of whose options are well-formed, has a cookie."""
    if edns is None or edns.option(OptionCode.COOKIE) is None:
        return False
    return all(_is_option(code, data, stream) for code, data in edns.options)


def _refusal_rcode(question: Question, edns: Edns | None, records: int, stream: bool) -> int | None:
    """Return the rcode of a well-formed query that we do not answer. `records` counts answer and authority."""
    if edns is not None and edns.version > 0:
        return Rcode.BADVERS
    if question.qtype in _NOT_ASKED_TYPES:
        return Rcode.FORMERR
    if edns is not None and not all(_is_option(code, data, stream) for code, data in edns.options):
        return Rcode.FORMERR
    # An IXFR carries the client's SOA in its authority section (RFC 1995 section 3).
    if question.qtype in _UNSUPPORTED_TYPES:
        return Rcode.NOTIMP
    return Rcode.FORMERR if records else None


def _is_option(code: int, data: bytes, stream: bool) -> bool:
    """Return whether an option has the form that its RFC demands of a query, else with FORMERR.

    Subnets and cookies have rules for their data (RFC 7871 section 6, RFC 7873 section 5.2.2). A keepalive in a query
    holds no timeout, and is ignored over UDP (RFC 7828 sections 3.2.1 and 3.3.1).
    """
    match code:
        case OptionCode.ECS:
            return is_client_subnet(data)
        case OptionCode.COOKIE:
            return is_cookie(data)
        case OptionCode.TCP_KEEPALIVE:
            return not (stream and data)
        case _:
            return True


def question_of(name: bytes, qtype: int, qclass: int = Class.IN) -> Question:
    """Return the question about a folded wire name."""
    wire = name + _QUESTION_TAIL.pack(qtype, qclass)
    return Question(wire, name, int(qtype), int(qclass))


def read_question(message: bytes) -> tuple[Question, int]:
    """Return the question after the header and the offset after it. `MalformedMessage` if cut short or compressed."""
    run = skip_labels(message, HEADER_SIZE)
    if message[run] != 0:
        raise MalformedMessage(f"read question: compressed name at byte {run}")
    end = run + 5
    if end > len(message):
        raise MalformedMessage(f"read question: cut short at byte {run}")
    qtype, qclass = _QUESTION_TAIL.unpack_from(message, run + 1)
    return Question(message[HEADER_SIZE:end], message[HEADER_SIZE : run + 1].lower(), qtype, qclass), end


def _skip_questions(message: bytes, count: int) -> int:
    """Return the offset after `count` questions that are not answered. An OPT after them still gets an OPT."""
    position = HEADER_SIZE
    for _ in range(count):
        position = skip_name(message, position) + _QUESTION_TAIL.size
        if position > len(message):
            raise MalformedMessage(f"read query: question cut short at byte {position - _QUESTION_TAIL.size}")
    return position


def _read_edns(message: bytes, position: int, before: int, arcount: int) -> Edns | None:
    """Return the OPT among a query's `arcount` additional records, which follow `before` other records."""
    size = len(message)
    total = before + arcount
    if total * MIN_RECORD > size - position:
        raise MalformedMessage(f"read query: {total} records cannot fit behind byte {position}")
    edns: Edns | None = None
    hops: HopBudget | None = None
    for index in range(total):
        if message[position : position + 1] == ROOT:
            owner, position = ROOT, position + 1
        else:
            hops = hops or HopBudget(_QUERY_HOPS)
            # Count a pointer each time it is followed, so that other implementations need to remember none.
            hops.known.clear()
            owner, position = read_name(message, position, hops)
        if position + 10 > size:
            raise MalformedMessage(f"read query: record cut short at byte {position}")
        rtype, rclass, ttl, length = RECORD.unpack_from(message, position)
        position += 10 + length
        if position > size:
            raise MalformedMessage(f"read query: record data runs past the end at byte {position - length}")
        if rtype == Type.OPT:
            if index < before or owner != ROOT or edns is not None:
                raise MalformedMessage(f"read query: misplaced or second opt before byte {position}")
            edns = parse_edns(rclass, ttl, message[position - length : position])
    if position != size:
        raise MalformedMessage(f"read query: {size - position} bytes behind the last record")
    return edns


def build_upstream_query(
    question: Question,
    *,
    id: int,  # noqa: A002 - the field's own name
    cd: bool,
    do: bool,
    ad: bool = False,
    edns: bool = True,
    padded: bool = False,
    name_wire: bytes | None = None,
) -> bytes:
    """Return our query for `question`: RD=1, and our own OPT unless `edns` is False. `name_wire` replaces the name.

    With `padded`, an OPT fills the message to a multiple of QUERY_PADDING_BLOCK, for an encrypted connection.
    """
    flags = FLAG_RD | (FLAG_AD if ad else 0) | (FLAG_CD if cd else 0)
    wire = question.wire if name_wire is None else name_wire + question.wire[-4:]
    bare = HEADER.pack(id, flags, 1, 0, 0, int(edns)) + wire
    if not edns:
        return bare
    padding = padding_option(len(bare) + OPT_SIZE, QUERY_PADDING_BLOCK) if padded else b""
    return bare + opt_record(OUR_PAYLOAD, do, padding)
