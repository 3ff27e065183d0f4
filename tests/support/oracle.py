"""The rules that every reply must follow, for any question and any answer of an upstream, checked on the bytes.

It parses messages itself or with dnspython, and shares no code with what it judges.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from dnsfilter.telemetry.metrics import Transport

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
NOERROR, FORMERR, NOTIMP, BADCOOKIE = 0, 1, 4, 23
STATUS, UPDATE = 2, 5
A, NS, CNAME, SOA, PTR, MX, AAAA, SRV, DNAME, OPT, RRSIG, SVCB, HTTPS, TSIG = (
    *(1, 2, 5, 6, 12, 15, 28, 33, 39, 41, 46, 64, 65, 250),
)
ANY: Final = 255
COOKIE, EDE = 10, 15
MOST_OPTIONS: Final = 32
"""Options of a query that count."""
BANS: Final = frozenset({15, 16})
"""Extended errors that mean: refused by a ban."""
OUR_PAYLOAD: Final = 1232
TARGET_AT: Final = {CNAME: 0, DNAME: 0, SVCB: 2, HTTPS: 2}
"""Types that lead to another name, and where in their data that name is."""
HELD: Final = frozenset({A, AAAA, NS, CNAME, SOA, PTR, MX, SRV, DNAME})
"""Types whose data must never be malformed in class IN. Data of other types passes unchanged."""
HOP_BY_HOP: Final = frozenset({OPT, TSIG})


@dataclass(frozen=True, slots=True)
class Opt:
    """The content of a client's OPT. `cookie` is the data of its first COOKIE option, if that is valid."""

    payload: int
    version: int
    do: bool
    cookie: bytes | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a client's message. `question` is None if it is unreadable, `opt` if it is absent or invalid.

    `sound` means: one question, every record within the message, no bytes left over. `plain` means that no name is
    compressed, so that there is only one way to read the message. `asks_cookie`: there is no question, but a cookie.
    """

    id: int
    flags: int
    question: bytes | None
    opt: Opt | None
    sound: bool
    plain: bool
    asks_cookie: bool = False

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def name(self) -> dns.name.Name:
        """Return the name asked for."""
        assert self.question is not None
        return dns.name.from_wire(self.question, 0)[0]

    @property
    def qtype(self) -> int:
        assert self.question is not None
        return int.from_bytes(self.question[-4:-2], "big")

    @property
    def qclass(self) -> int:
        assert self.question is not None
        return int.from_bytes(self.question[-2:], "big")

    def limit(self, transport: Transport) -> int:
        """Return the maximum size of a reply in bytes."""
        if transport is not Transport.UDP:
            return 65_535
        return 512 if self.opt is None else min(max(self.opt.payload, 512), OUR_PAYLOAD)


@dataclass(frozen=True, slots=True)
class Shown:
    """A record in a reply: `[rdata, end)` is its data, and `section` is 1 to 3."""

    section: int
    owner: dns.name.Name
    rtype: int
    rclass: int
    ttl: int
    rdata: int
    end: int


class _Unreadable(Exception):
    """Raised if the bytes end too early, or are not a valid name."""


def _number(message: bytes, at: int, data: int = 2) -> int:
    if at + data > len(message):
        raise _Unreadable
    return int.from_bytes(message[at : at + data], "big")


def _after_name(message: bytes, at: int) -> tuple[int, bool]:
    """Return where the name at `at` ends, and whether it is uncompressed. Raise _Unreadable if it is not valid."""
    start = at
    while (size := _number(message, at, 1)) != 0:
        if size >= 0xC0:
            _number(message, at)
            return at + 2, False
        if size > 63 or at + size + 2 - start > 255:
            raise _Unreadable
        at += size + 1
    return at + 1, True


def _is_root(message: bytes, at: int) -> bool:
    """Return whether the name at `at` is the root, directly or through a pointer."""
    try:
        return not any(dns.name.from_wire(message, at)[0].labels[:-1])
    except dns.exception.DNSException:
        return False


def read_query(message: bytes) -> Reading | None:
    """Read a client's message. Return None if it must not be answered: it is shorter than a header, or a response."""
    if len(message) < 12 or message[2] & 0x80:
        return None
    number, flags = _number(message, 0), _number(message, 2)
    question: bytes | None = None
    questions = _number(message, 4)
    plain = True
    try:
        position = 12
        for _ in range(questions):
            position, complete = _after_name(message, position)
            position += 4
            if position > len(message) or (questions == 1 and not complete):
                raise _Unreadable
        if questions == 1:
            question = message[12:position]
        opt: Opt | None = None
        before = _number(message, 6) + _number(message, 8)
        for index in range(before + _number(message, 10)):
            root = _is_root(message, position)
            position, complete = _after_name(message, position)
            plain = plain and complete
            rtype, rclass, version, flag_bits, length = (
                _number(message, position + at, size) for at, size in ((0, 2), (2, 2), (5, 1), (6, 2), (8, 2))
            )
            position += 10 + length
            if position > len(message):
                raise _Unreadable
            if rtype == OPT:
                if index < before or not root or opt is not None:
                    raise _Unreadable
                found = _cookie(message[position - length : position]) if version == 0 else None
                opt = Opt(rclass, version, flag_bits & 0x8000 != 0, found)
        if position != len(message):
            raise _Unreadable
    except _Unreadable:
        return Reading(number, flags, question, None, False, plain)
    asks_cookie = not questions and not before and opt is not None and opt.cookie is not None
    return Reading(number, flags, question, opt, questions == 1, plain, asks_cookie)


def _cookie(options: bytes) -> bytes | None:
    """Return the data of the first COOKIE option if it has a valid size. Raise _Unreadable if options are cut off."""
    position, count = 0, 0
    cookies: list[bytes] = []
    while position < len(options):
        end = position + 4 + _number(options, position + 2)
        if _number(options, position) == COOKIE and count < MOST_OPTIONS:
            cookies.append(options[position + 4 : end])
        position, count = end, count + 1
    if position != len(options):
        raise _Unreadable
    return cookies[0] if cookies and (len(cookies[0]) == 8 or 16 <= len(cookies[0]) <= 40) else None


def is_answer_to(asked: bytes, message: bytes) -> bool:
    """Return whether an upstream's message is a response with the id and the question of the query (RFC 5452).

    A failure may be only a header.
    """
    if len(message) == 12 and message[:2] == asked[:2]:
        return message[2] & 0xF8 == 0x80 and message[3] & 15 != 0 and not any(message[4:])
    end, _ = _after_name(asked, 12)
    end += 4
    return (
        len(message) >= end
        and message[:2] == asked[:2]
        and message[2] & 0xF8 == 0x80
        and message[4:6] == b"\0\1"
        and message[12 : end - 4].lower() == asked[12 : end - 4].lower()
        and message[end - 4 : end] == asked[end - 4 : end]
    )


def shown(message: bytes) -> Iterator[Shown]:
    """Yield the records of a reply. Raise if their form is wrong."""
    position = 12
    for _ in range(_number(message, 4)):
        position = _after_name(message, position)[0] + 4
    for section in (1, 2, 3):
        for _ in range(_number(message, 4 + 2 * section)):
            owner, used = dns.name.from_wire(message, position)
            position += used
            rtype, rclass, ttl, length = (
                _number(message, position + at, size) for at, size in ((0, 2), (2, 2), (4, 4), (8, 2))
            )
            position += 10 + length
            assert position <= len(message)
            yield Shown(section, owner, rtype, rclass, ttl, position - length, position)
    assert position == len(message), "bytes behind the last record"


def check_reply(
    query: bytes, reply: bytes, transport: Transport, *, banned: Sequence[dns.name.Name] = (), relayed: bool = True
) -> None:
    """Raise AssertionError unless `reply` is an allowed answer to `query`.

    `banned` are the names that the client must not learn about. If no name is banned for the client, the reply must not
    mention a ban. If `relayed` is false, the node made the complete reply, and no data may be malformed.
    """
    asked = read_query(query)
    assert asked is not None, "a reply to what is no query"
    check_header(asked, reply)
    assert len(reply) <= asked.limit(transport), "longer than the client takes"
    records = list(shown(reply))
    check_opt(asked, reply, [record for record in records if record.rtype == OPT], transport)
    _check_read_by_dnspython(reply, records, relayed)
    codes = {int(option.code) for option in _options(reply) if isinstance(option, dns.edns.EDEOption)}
    assert banned or not codes & BANS, "a ban that does not hold"
    answers = [record for record in records if record.section == 1]
    rcode = reply[3] & 15
    if not asked.sound:
        assert rcode in (FORMERR, NOTIMP) or (asked.asks_cookie and rcode in (NOERROR, BADCOOKIE & 15))
    if rcode in (FORMERR, NOTIMP):
        assert all(record.rtype == OPT for record in records)
    if answers:
        check_reached(asked, reply, answers)
    for record in answers:
        assert not _is_of(record.owner, banned), f"data of {record.owner}"
        assert not _is_of(_target(reply, record), banned), f"{record.owner} leads to {_target(reply, record)}"
    assert all(record.ttl <= 0x7FFFFFFF for record in records if record.rtype != OPT)


def check_header(asked: Reading, reply: bytes) -> None:
    """Raise AssertionError if the header or the question of a reply is wrong.

    Id, opcode, RD, CD and question are as in the query. QR and RA are set. AA, Z and AD are not set, since no upstream
    here is trusted. Only QUERY has CD. Opcodes after STATUS have neither RD nor RA. The reply to an update repeats no
    question, because an update has a zone there.
    """
    flags = _number(reply, 2)
    assert _number(reply, 0) == asked.id
    recursion = asked.opcode <= STATUS
    assert flags & (QR | RA) == QR | (RA if recursion else 0)
    assert not flags & (AA | Z | AD)
    assert flags & RD == (asked.flags & RD if recursion else 0)
    assert flags & CD == (0 if asked.opcode else asked.flags & CD)
    assert flags >> 11 & 15 == asked.opcode
    question = b"" if asked.opcode == UPDATE else asked.question or b""
    assert _number(reply, 4) == bool(question)
    assert reply[12 : 12 + len(question)] == question


def check_opt(asked: Reading, reply: bytes, opts: Sequence[Shown], transport: Transport) -> None:
    """Raise AssertionError unless the reply has an OPT exactly if the query had a readable one.

    The OPT has our payload size, DO as in the query, and no options but extended errors and the client's cookie with a
    server cookie. Over HTTPS there are no cookies.
    """
    if asked.opt is None:
        assert not opts
        return
    if not opts:
        # A compressed name in a query can be read in different ways. So it is open whether the OPT after it is
        # readable.
        assert not asked.plain
        return
    (opt,) = opts
    assert (opt.section, opt.owner, opt.rclass) == (3, dns.name.root, OUR_PAYLOAD)
    assert opt.ttl & 0xFFFFFF == (0x8000 if asked.opt.do else 0)
    cookie = None if transport is Transport.DOH else asked.opt.cookie
    cookies = [option for option in _options(reply) if isinstance(option, dns.edns.CookieOption)]
    assert [(each.client, len(each.server)) for each in cookies] == ([] if cookie is None else [(cookie[:8], 16)])
    assert {option.otype for option in _options(reply)} <= {EDE, COOKIE}


def _options(reply: bytes) -> Sequence[dns.edns.Option]:
    return dns.message.from_wire(reply, continue_on_error=True).options


def _check_read_by_dnspython(reply: bytes, records: Sequence[Shown], relayed: bool) -> None:
    """Raise AssertionError if dnspython finds an error, except in relayed data of types that only clients interpret."""
    parsed = dns.message.from_wire(reply, continue_on_error=True)
    for error in parsed.errors:
        found = next((record for record in records if record.rdata <= error.offset <= record.end), None)
        excused = relayed and found is not None and not _is_held(found)
        assert excused, f"dnspython: {error.exception!r} at byte {error.offset}"


def _is_held(record: Shown) -> bool:
    return record.rtype in HOP_BY_HOP or (record.rtype in HELD and record.rclass == 1)


def check_reached(asked: Reading, reply: bytes, answers: Sequence[Shown]) -> None:
    """Raise AssertionError unless every answer is about the question, or about a name that its aliases lead to."""
    reached = {asked.name}
    signers: set[dns.name.Name] = set()
    size = 0
    while size != len(reached) + len(signers):
        size = len(reached) + len(signers)
        for record in answers:
            if record.rtype == CNAME and record.owner in reached:
                reached.add(_required_target(reply, record))
            if record.rtype == DNAME:
                reached |= set(_substituted(record.owner, _required_target(reply, record), reached, signers))
    for record in answers:
        assert record.rclass == asked.qclass
        rtype = record.rtype
        if rtype == RRSIG and asked.qtype not in (RRSIG, ANY):
            rtype = _number(reply, record.rdata)
        at_name = record.owner in reached and (asked.qtype in (rtype, ANY) or rtype == CNAME)
        assert at_name or (rtype == DNAME and record.owner in signers), f"{record.owner} {rtype} is off the question"


def _substituted(
    owner: dns.name.Name, target: dns.name.Name, reached: set[dns.name.Name], above: set[dns.name.Name]
) -> Iterator[dns.name.Name]:
    """Yield the names that a DNAME makes of names below it. Add its owner to `above` if there are any."""
    for name in tuple(reached):
        if name != owner and name.is_subdomain(owner):
            above.add(owner)
            try:
                yield name.relativize(owner).concatenate(target)
            except dns.name.NameTooLong:
                continue


def check_cut(cut: bytes, complete: bytes) -> None:
    """Raise AssertionError unless a reply over UDP has TC exactly if it lacks answer or authority records.

    `complete` is the same reply over TCP.
    """
    counts = [[_number(message, at) for at in (6, 8)] for message in (cut, complete)]
    assert not _number(complete, 2) & TC
    assert bool(_number(cut, 2) & TC) == (counts[0] != counts[1])


def _is_of(name: dns.name.Name | None, banned: Sequence[dns.name.Name]) -> bool:
    return name is not None and any(name.is_subdomain(suffix) for suffix in banned)


def _target(message: bytes, record: Shown) -> dns.name.Name | None:
    """Return the name that a record leads to, or None for a type that leads to no name."""
    at = TARGET_AT.get(record.rtype)
    return None if at is None else dns.name.from_wire(message, record.rdata + at)[0]


def _required_target(message: bytes, record: Shown) -> dns.name.Name:
    found = _target(message, record)
    assert found is not None
    return found
