"""Upstream answers, drawn before the question is known: the kind of answer, and its damage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

import dns.flags
from hypothesis import strategies as st

from tests.support.message_mutations import Edit, edited, edits
from tests.support.scripted import Asked, reply
from tests.support.weighted_choices import often

MANY: Final[Mapping[str, Callable[[int], str]]] = MappingProxyType(
    {"A": "198.51.100.{}".format, "MX": "10 m{}.example.org.".format, "NS": "n{}.example.org.".format}
)
"""Data by number, for a record set of unusual size."""


class Say(Enum):
    """The kind of an answer."""

    DATA = "records of the type that was asked for"
    CHAIN = "aliases, and records at their end"
    LEADS_OUT = "aliases, and nothing at their end"
    DENIED_CHAIN = "aliases, and a denial of their end"
    EMPTY_CHAIN = "aliases, and nothing of the type at their end, and an SOA"
    TREE = "an alias of all that is below the name above, what follows from that, and records"
    MANY = "more records than most answers have"
    NXDOMAIN = "no such name, and an SOA"
    NODATA = "nothing of the type, and an SOA"
    BARE = "nothing at all"
    CUT = "truncated"
    FAILURE = "an rcode"


@dataclass(frozen=True, slots=True)
class Speech:
    """An answer to any question. `names` are the names that it leads to, as text with a final dot.

    `extra` is whether additional records have these names, and whether the denied name's own parent denies it.
    """

    say: Say
    names: tuple[str, ...]
    ttl: int
    rcode: int
    flags: int
    extra: bool
    signed: bool = False
    edits: tuple[Edit, ...] = ()
    recurses: bool = True


def spoken(speech: Speech, asked: Asked) -> bytes:
    """Return the answer to one query, with its id unless an edit changes that."""
    message = _sound(speech, replace(asked, message=bytes(2) + asked.message[2:]))
    if not speech.recurses:
        message = message[:3] + bytes([message[3] & ~int(dns.flags.RA) & 0xFF]) + message[4:]
    for edit in speech.edits:
        message = edited(message, edit, [message])
    number = int.from_bytes(message[:2], "big") ^ asked.id
    return number.to_bytes(2, "big")[: len(message)] + message[2:]


def _sound(speech: Speech, asked: Asked) -> bytes:
    name = asked.name if asked.name == "." else f"{asked.name}."
    aliases: list[str] = []
    if speech.say in (Say.CHAIN, Say.LEADS_OUT, Say.DENIED_CHAIN, Say.EMPTY_CHAIN):
        for target in speech.names:
            aliases += [f"{name} {speech.ttl} CNAME {target}", *_signature(speech, name, "CNAME")]
            name = target
    if speech.say is Say.TREE and name != ".":
        label, _, above = name.partition(".")
        name = f"{label}.{speech.names[0]}" if speech.names[0] != "." else f"{label}."
        aliases = [
            f"{above or '.'} {speech.ttl} DNAME {speech.names[0]}",
            f"{asked.name}. {speech.ttl} CNAME {name}",
        ]
    flags = speech.flags
    match speech.say:
        case Say.DATA | Say.CHAIN | Say.TREE | Say.MANY:
            extra = _extra(speech) if speech.extra else ()
            found = [*_records(speech, name, asked.qtype), *_signature(speech, name, asked.qtype)]
            return reply(asked, (*aliases, *found), (), extra, flags=flags)
        case Say.LEADS_OUT | Say.BARE:
            return reply(asked, aliases, flags=flags)
        case Say.DENIED_CHAIN | Say.NXDOMAIN:
            return reply(asked, aliases, _denial(speech, name), rcode=3, flags=flags)
        case Say.NODATA | Say.EMPTY_CHAIN:
            return reply(asked, aliases, _denial(speech, name), flags=flags)
        case Say.CUT:
            return reply(asked, flags=flags | int(dns.flags.TC))
        case Say.FAILURE:
            return reply(asked, rcode=speech.rcode)


def _denial(speech: Speech, name: str) -> list[str]:
    zone = (name.partition(".")[2] or ".") if speech.extra else "example.org."
    soa = f"{zone} {speech.ttl} SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60"
    proof = [f"{zone} {speech.ttl} NSEC a.example.org. NS SOA", *_signature(speech, zone, "NSEC")]
    return [soa, *_signature(speech, zone, "SOA"), *(proof if speech.signed else ())]


def _signature(speech: Speech, name: str, covered: str) -> list[str]:
    signature = f"{name} {speech.ttl} RRSIG {covered} 13 2 300 20300101000000 20200101000000 1 example.org. AAAA"
    return [signature] if speech.signed and covered not in ("ANY", "RRSIG") else []


def _extra(speech: Speech) -> list[str]:
    first, last = speech.names[0], speech.names[-1]
    more = [f"{last} {speech.ttl} HTTPS 1 {first}", *_signature(speech, last, "HTTPS")]
    return [f"{first} {speech.ttl} A 198.51.100.9", *(more if len(speech.names) > 1 else ())]


def _records(speech: Speech, name: str, qtype: str) -> list[str]:
    target = speech.names[0]
    known = {
        "A": ("198.51.100.1", "198.51.100.2"),
        "AAAA": ("2001:db8::1",),
        "HTTPS": (f"1 {target} alpn=h2 ipv4hint=192.0.2.100", f"0 {target}"),
        "SVCB": (f"1 {target} alpn=h2",),
        "CNAME": (target,),
        "MX": (f"10 {target}",),
        "NS": (target,),
        "SRV": (f"1 2 5060 {target}",),
        "TXT": (f'"{"x" * 200}"', f'"{"y" * 250}"'),
        "PTR": (target,),
        "SOA": (f"{target} hostmaster.example.org. 1 3600 600 86400 60",),
        "DS": (f"1 13 2 {'00' * 32}",),
        "NAPTR": (f'1 2 "u" "sip" "" {target}',),
        "PX": (f"1 {target} {target}",),
        "RP": (f"{target} {target}",),
        "AFSDB": (f"1 {target}",),
        "RT": (f"1 {target}",),
        "KX": (f"1 {target}",),
        "DNAME": (target,),
    }
    data = known.get(qtype, ())
    if speech.say is Say.MANY:
        data = tuple(MANY[qtype](number) for number in range(70)) if qtype in MANY else data
    return [f"{name} {speech.ttl} {qtype} {one}" for one in data]


def speeches(names: st.SearchStrategy[str], most_edits: int = 2) -> st.SearchStrategy[Speech]:
    """Draw answers that lead to some of these names. Most of them are sound."""
    return st.builds(
        Speech,
        st.sampled_from((*(Say.DATA, Say.CHAIN) * 4, *Say)),
        st.lists(names, min_size=1, max_size=3).map(tuple),
        st.sampled_from((300, 300, 2, 1, 0, 100_000, 2**31 - 1)),
        st.sampled_from((1, 2, 2, 4, 5, 5, 9, 16, 23)),
        st.sampled_from((0, 0, 0, int(dns.flags.AA), int(dns.flags.AD))),
        st.booleans(),
        st.sampled_from((False, False, True)),
        often((2, st.just(())), (1, st.lists(edits, max_size=most_edits).map(tuple))),
        often((7, st.just(True)), (1, st.just(False))),
    )
