"""Answers that need no upstream: special names, probes of this node, and questions that are never forwarded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dnsfilter.config.node_config import LocalRecord
from dnsfilter.telemetry.metrics import Bypass
from dnsfilter.upstream.special import APEXES, LocalAnswer, Records
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import AUTHORITY, Answer, RawRecord, parse_answer
from dnsfilter.wire.compose import MAX_MESSAGE, compose
from dnsfilter.wire.iana import Class, Rcode, Type
from dnsfilter.wire.names import is_at_or_below, parse_name
from dnsfilter.wire.own_records import address_record, hinfo_record, soa_record, txt_record, txt_strings_record
from dnsfilter.wire.query import Query, Question
from dnsfilter.wire.reply import empty_reply, local_reply

HEALTH_NAME = parse_name("health.dnsfilter.internal")
PROBE_NAME = parse_name("probe.dnsfilter.internal")
"""Says to a client which node answers it, and as which range it counts."""
LOCALHOST = parse_name("localhost")
RESOLVER_ARPA = parse_name("resolver.arpa")
CANARY_NAME = parse_name("use-application-dns.net")
RELAY_NAMES = frozenset({parse_name("mask.icloud.com"), parse_name("mask-h2.icloud.com")})
SIGNAL_NAMES = RELAY_NAMES | {CANARY_NAME}
"""Names that browsers and devices query to decide whether to keep using this resolver."""
_SINGLE_NAMES = frozenset({HEALTH_NAME, PROBE_NAME})
OURS = APEXES | SIGNAL_NAMES | _SINGLE_NAMES
"""Local names: zones with all names below them, signals, the names of the health probe and the client's probe."""

ZONE_TTL_S = 10800
"""TTL of the built-in zones (RFC 6303 section 3)."""
SIGNAL_TTL_S = 10
"""TTL of answers that depend on a ban in force."""
MOST_ALIASES = 8
"""Aliases of this node's own records in one answer. A loop ends there too."""
TYPES_OF_ZONES = frozenset({Type.SOA, Type.NS, Type.DS, Type.DNSKEY})
"""Types by which a client finds and verifies the zone of a name, for example to send a dynamic update."""
HINFO_TTL_S = 3789
"""TTL of the answer to ANY in RFC 8482 section 6."""


@dataclass(frozen=True, slots=True)
class Local:
    """A reply, and the kind of bypass that the question attempts."""

    message: bytes
    bypass: Bypass | None = None


def signal_answer(query: Query, limit: int) -> Local:
    """Return the answer to one of `SIGNAL_NAMES` that keeps the client on this resolver. Use it if a ban is enforced.

    Firefox keeps the system's resolver if its canary is NXDOMAIN; Apple's relay does so on an empty answer.
    """
    name = query.question.name
    if name == CANARY_NAME:
        return Local(_denial(query, Rcode.NXDOMAIN, name, SIGNAL_TTL_S, limit), Bypass.CANARY)
    return Local(_denial(query, Rcode.NOERROR, name, SIGNAL_TTL_S, limit), Bypass.RELAY)


def asks_any(question: Question) -> bool:
    """Return whether a question asks for ANY, which is answered from the name's CNAME."""
    return question.qtype == Type.ANY and question.qclass == Class.IN


def any_answer(question: Question) -> Answer:
    """Return the minimal answer to ANY for a name that exists and is no alias (RFC 8482 section 4.2)."""
    record = hinfo_record(question.wire[:-4], HINFO_TTL_S, "RFC8482", "")
    return compose(question, 0, Rcode.NOERROR, ([record],))


def has_signed_denial(answer: Answer) -> bool:
    """Return whether signatures cover the authority section. Only clients that set DO get such answers.

    To a validator an unsigned record of a signed zone is bogus, but the signed denial of CNAME is not. So it answers
    ANY there (RFC 8482 section 4: with DO the authority section of an empty answer is signed).
    """
    return any(record.rtype == Type.RRSIG for record in answer.section(AUTHORITY))


def is_ours(name: bytes, qtype: int, do: bool, zones: Zones) -> bool:
    """Return whether this node answers a name itself."""
    if name in _SINGLE_NAMES or name in zones.records:
        return True
    return zones.special(name, qtype, do) is not None


def answered_by_others(question: Question, do: bool, zones: Zones) -> Callable[[bytes], bool]:
    """Return a test for names that the servers of `question` do not answer: other servers do, or this node."""
    view = zones.route(question.name, question.qtype)

    def others(name: bytes) -> bool:
        return zones.route(name, question.qtype) is not view or is_ours(name, question.qtype, do, zones)

    return others


def special_answer(query: Query, found: LocalAnswer | None, revision: int, limit: int) -> Local | None:
    """Return the answer for a name that never goes upstream, in any class; None for other names.

    `found` is `Zones.special` of the question.
    """
    question = query.question
    if question.qclass != Class.IN:
        ours = found is not None or question.name in _SINGLE_NAMES
        return Local(empty_reply(query, Rcode.REFUSED, limit=limit)) if ours else None
    if question.name == HEALTH_NAME:
        return Local(_health(query, revision, limit))
    if question.name == PROBE_NAME:
        return Local(_loopback_only(query, limit))
    if found is not None:
        bypass = Bypass.DDR if is_at_or_below(question.name, RESOLVER_ARPA) else None
        return Local(_from_table(query, found, limit), bypass)
    return None


def asks_probe(query: Query) -> bool:
    """Return whether a query is for the probe's name, which clients that may not ask get answers for too."""
    return query.rd and query.question.qclass == Class.IN and query.question.name == PROBE_NAME


def probe_answer(query: Query, texts: Sequence[str], limit: int) -> Local:
    """Return the answer to the client's probe for TXT. Nobody keeps it: it holds for this client only."""
    record = txt_strings_record(query.question.wire[:-4], 0, texts)
    return Local(local_reply(query, Rcode.NOERROR, [record], limit=limit))


def recorded_answer(question: Question, zones: Zones) -> Answer | None:
    """Return the answer of this node's own records; None for names without one, and for other classes.

    A name has no other data than its records here, also as the target of an alias: the answer denies other types. An
    alias that leads to another name ends the answer. In a conditional zone, its servers answer `TYPES_OF_ZONES`.
    """
    if question.qclass != Class.IN or not _records(question.name, question.qtype, zones):
        return None
    found: list[RawRecord] = []
    denial: tuple[RawRecord, ...] = ()
    owner = question.wire[:-4]
    for _ in range(MOST_ALIASES):
        records = _records(owner.lower(), question.qtype, zones)
        chosen = [record for record in records if record.rtype in (question.qtype, Type.CNAME)]
        if records and not chosen:
            ttl_s = min(record.ttl_s for record in records)
            denial = (soa_record(owner.lower(), ttl_s, ttl_s),)
        found += [RawRecord(owner, record.rtype, Class.IN, record.ttl_s, record.rdata) for record in chosen]
        if not chosen or chosen[0].rtype == question.qtype:
            break
        owner = chosen[0].rdata
    return compose(question, 0, Rcode.NOERROR, (found, denial))


def _records(name: bytes, qtype: int, zones: Zones) -> tuple[LocalRecord, ...]:
    if qtype in TYPES_OF_ZONES and zones.zone_servers(name) is not None:
        return ()
    return zones.records.get(name, ())


def local_leg(question: Question, do: bool, zones: Zones, revision: int) -> Answer | None:
    """Return the answer for an alias target that is a local name; None for all other targets."""
    recorded = recorded_answer(question, zones)
    if recorded is not None:
        return recorded
    found = zones.special(question.name, question.qtype, do)
    local = special_answer(Query(0, True, False, False, question, None), found, revision, MAX_MESSAGE)
    return None if local is None else parse_answer(local.message)


def _health(query: Query, revision: int, limit: int) -> bytes:
    asked = query.question.wire[:-4]
    match query.question.qtype:
        case Type.A:
            record = address_record(asked, 0, bytes((127, 0, 0, 1)))
        case Type.TXT:
            record = txt_record(asked, 0, f"revision={revision}")
        case _:
            return _denial(query, Rcode.NOERROR, HEALTH_NAME, 0, limit)
    return local_reply(query, Rcode.NOERROR, [record], limit=limit)


def _loopback_only(query: Query, limit: int) -> bytes:
    """Return the answer for the probe's name that is the same for every client, and for an alias of the name."""
    if query.question.qtype != Type.A:
        return _denial(query, Rcode.NOERROR, PROBE_NAME, 0, limit)
    record = address_record(query.question.wire[:-4], 0, bytes((127, 0, 0, 1)))
    return local_reply(query, Rcode.NOERROR, [record], limit=limit)


def _from_table(query: Query, found: LocalAnswer, limit: int) -> bytes:
    asked = query.question.wire[:-4]
    record: RawRecord
    match found.records:
        case Records.NONE:
            return _denial(query, found.rcode, found.apex, ZONE_TTL_S, limit)
        case Records.ADDRESS_V4:
            record = address_record(asked, ZONE_TTL_S, bytes((127, 0, 0, 1)))
        case Records.ADDRESS_V6:
            record = address_record(asked, ZONE_TTL_S, bytes(15) + b"\x01")
        case Records.POINTER:
            record = RawRecord(asked, Type.PTR, Class.IN, ZONE_TTL_S, LOCALHOST)
        case Records.SOA:
            record = soa_record(asked, ZONE_TTL_S, ZONE_TTL_S)
        case Records.NS:
            record = RawRecord(asked, Type.NS, Class.IN, ZONE_TTL_S, found.apex)
    return local_reply(query, found.rcode, [record], limit=limit)


def _denial(query: Query, rcode: int, apex: bytes, ttl_s: int, limit: int) -> bytes:
    return local_reply(query, rcode, (), (soa_record(apex, ttl_s, ttl_s),), limit=limit)
