"""What clients ask, and what we ask upstream."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.edns import OUR_PAYLOAD, Ede, Edns, is_client_subnet, opt_record, parse_edns
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

# Queries hardly ever hold a compressed name: the additional records of TSIG and SIG(0) are the only place for one.
_QUERY_HOPS: Final = 128
MIN_RECORD: Final = 11
"""Octets of a record whose owner is the root and whose data is empty."""

_TRANSFER_TYPES: Final = frozenset({Type.IXFR, Type.AXFR, Type.MAILB, Type.MAILA})
# Types that exist only outside questions: RFC 6891, RFC 8945, and RFC 9824 section 3.5.
_NOT_ASKED_TYPES: Final = frozenset({Type.OPT, Type.TSIG, Type.NXNAME})


@dataclass(frozen=True, slots=True)
class Question:
    """One question: `wire` is name, type and class exactly as asked (never compressed), `name` is folded."""

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
        """Whether the client wants DNSSEC records (RFC 3225)."""
        return self.edns is not None and self.edns.do


@dataclass(frozen=True, slots=True)
class Fault:
    """A query whose only answer is `rcode`; `question` is copied into it, empty if it could not be read."""

    id: int
    opcode: int
    rd: bool
    cd: bool
    rcode: int
    question: bytes
    edns: Edns | None
    ede: Ede | None = None


def parse_query(message: bytes) -> Query | Fault | None:
    """What a client's message asks; None means silence: too short for a header, or itself a response.

    Raises nothing, whatever the bytes. Sources: RFC 1035 section 4, RFC 9619 (one question), RFC 6891 (OPT, versions).
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
            rcode, position = Rcode.FORMERR, _behind_questions(message, qdcount)
        edns = _read_edns(message, position, ancount + nscount, arcount)
    except MalformedMessage:
        rcode = Rcode.FORMERR
    rd = flags & FLAG_RD != 0
    cd = flags & FLAG_CD != 0
    if rcode is None and not opcode and question is not None:
        rcode = _refused_as(question, edns, ancount + nscount)
        if rcode is None:
            return Query(number, rd, flags & FLAG_AD != 0, cd, question, edns)
    wire = question.wire if question is not None else b""
    if opcode:
        rcode = Rcode.NOTIMP
        if opcode == Opcode.UPDATE:
            wire = b""  # what stands there is a zone (RFC 2136 section 2.3), and may be left out (section 3.8)
    elif question is not None and rcode == Rcode.FORMERR and question.qtype == Type.NXNAME:
        return Fault(number, opcode, rd, cd, rcode, wire, edns, Ede(EdeCode.INVALID_QUERY_TYPE))
    return Fault(number, opcode, rd, cd, Rcode.FORMERR if rcode is None else rcode, wire, edns)


def _refused_as(question: Question, edns: Edns | None, records: int) -> int | None:
    """The rcode of a well-formed query that we do not answer; `records` are those in answer and authority."""
    if edns is not None and edns.version > 0:
        return Rcode.BADVERS
    if question.qtype in _NOT_ASKED_TYPES:
        return Rcode.FORMERR
    # It is never used, but a sender that cannot write it shall hear so (RFC 7871 section 6).
    if edns is not None and edns.options:
        subnets = [data for code, data in edns.options if code == OptionCode.ECS]
        if not all(map(is_client_subnet, subnets)):
            return Rcode.FORMERR
    # An IXFR carries the client's SOA in its authority section (RFC 1995 section 3).
    if question.qtype in _TRANSFER_TYPES:
        return Rcode.NOTIMP
    return Rcode.FORMERR if records else None


def question_of(name: bytes, qtype: int, qclass: int = Class.IN) -> Question:
    """Return the question about a folded wire name."""
    wire = name + _QUESTION_TAIL.pack(qtype, qclass)
    return Question(wire, name, int(qtype), int(qclass))


def read_question(message: bytes) -> tuple[Question, int]:
    """The question behind the header, and the offset after it; MalformedMessage if cut short or compressed."""
    run = skip_labels(message, HEADER_SIZE)
    if message[run] != 0:
        raise MalformedMessage(f"read question: compressed name at octet {run}")
    end = run + 5
    if end > len(message):
        raise MalformedMessage(f"read question: cut short at octet {run}")
    qtype, qclass = _QUESTION_TAIL.unpack_from(message, run + 1)
    return Question(message[HEADER_SIZE:end], message[HEADER_SIZE : run + 1].lower(), qtype, qclass), end


def _behind_questions(message: bytes, count: int) -> int:
    """The offset after `count` questions that nobody will answer, so that an OPT behind them is answered by one."""
    position = HEADER_SIZE
    for _ in range(count):
        position = skip_name(message, position) + _QUESTION_TAIL.size
        if position > len(message):
            raise MalformedMessage(f"read query: question cut short at octet {position - _QUESTION_TAIL.size}")
    return position


def _read_edns(message: bytes, position: int, before: int, arcount: int) -> Edns | None:
    """The OPT among a query's `arcount` additional records, `before` other records standing in front of those."""
    size = len(message)
    total = before + arcount
    if total * MIN_RECORD > size - position:
        raise MalformedMessage(f"read query: {total} records cannot fit behind octet {position}")
    edns: Edns | None = None
    hops: HopBudget | None = None
    for index in range(total):
        if message[position : position + 1] == ROOT:
            owner, position = ROOT, position + 1
        else:
            hops = hops or HopBudget(_QUERY_HOPS)
            # A pointer counts as often as it is followed: whoever reads along in another way need remember none.
            hops.known.clear()
            owner, position = read_name(message, position, hops)
        if position + 10 > size:
            raise MalformedMessage(f"read query: record cut short at octet {position}")
        rtype, rclass, ttl, length = RECORD.unpack_from(message, position)
        position += 10 + length
        if position > size:
            raise MalformedMessage(f"read query: record data runs past the end at octet {position - length}")
        if rtype == Type.OPT:
            if index < before or owner != ROOT or edns is not None:
                raise MalformedMessage(f"read query: misplaced or second opt before octet {position}")
            edns = parse_edns(rclass, ttl, message[position - length : position])
    if position != size:
        raise MalformedMessage(f"read query: {size - position} octets behind the last record")
    return edns


def build_upstream_query(
    question: Question,
    *,
    id: int,  # noqa: A002 - the field's own name
    cd: bool,
    do: bool,
    ad: bool = False,
    edns: bool = True,
    name_wire: bytes | None = None,
) -> bytes:
    """Our own query for `question`: RD=1, and our own OPT unless `edns` is false; `name_wire` replaces its name."""
    flags = FLAG_RD | (FLAG_AD if ad else 0) | (FLAG_CD if cd else 0)
    wire = question.wire if name_wire is None else name_wire + question.wire[-4:]
    return HEADER.pack(id, flags, 1, 0, 0, int(edns)) + wire + (opt_record(OUR_PAYLOAD, do) if edns else b"")
