"""What an upstream says, drawn before it is known what will be asked: the kind of answer, and how it is spoilt."""

from dataclasses import dataclass, replace
from enum import Enum

import dns.flags
from hypothesis import strategies as st

from tests.support.mutations import Edit, edited, edits
from tests.support.scripted import Asked, reply


class Say(Enum):
    """The kind of an answer."""

    DATA = "records of the type that was asked for"
    CHAIN = "aliases, and records at their end"
    LEADS_OUT = "aliases, and nothing at their end"
    DENIED_CHAIN = "aliases, and a denial of their end"
    NXDOMAIN = "no such name, and an SOA"
    NODATA = "nothing of the type, and an SOA"
    BARE = "nothing at all"
    CUT = "truncated"
    FAILURE = "an rcode"


@dataclass(frozen=True, slots=True)
class Speech:
    """An answer about whatever is asked; `names` are those that it leads to, as text with a final dot."""

    say: Say
    names: tuple[str, ...]
    ttl: int
    rcode: int
    flags: int
    beside: bool
    edits: tuple[Edit, ...] = ()


def spoken(speech: Speech, asked: Asked) -> bytes:
    """The answer to one query, under its id unless an edit changes that."""
    message = _sound(speech, replace(asked, message=bytes(2) + asked.message[2:]))
    for edit in speech.edits:
        message = edited(message, edit, [message])
    number = int.from_bytes(message[:2], "big") ^ asked.id
    return number.to_bytes(2, "big")[: len(message)] + message[2:]


def _sound(speech: Speech, asked: Asked) -> bytes:
    name = asked.name if asked.name == "." else f"{asked.name}."
    aliases: list[str] = []
    if speech.say in (Say.CHAIN, Say.LEADS_OUT, Say.DENIED_CHAIN):
        for target in speech.names:
            aliases.append(f"{name} {speech.ttl} CNAME {target}")
            name = target
    soa = (f"example.org. {speech.ttl} SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60",)
    flags = speech.flags
    match speech.say:
        case Say.DATA | Say.CHAIN:
            beside = (f"{speech.names[0]} {speech.ttl} A 198.51.100.9",) if speech.beside else ()
            return reply(asked, (*aliases, *_records(speech, name, asked.qtype)), (), beside, flags=flags)
        case Say.LEADS_OUT | Say.BARE:
            return reply(asked, aliases, flags=flags)
        case Say.DENIED_CHAIN | Say.NXDOMAIN:
            return reply(asked, aliases, soa, rcode=3, flags=flags)
        case Say.NODATA:
            return reply(asked, (), soa, flags=flags)
        case Say.CUT:
            return reply(asked, flags=flags | int(dns.flags.TC))
        case Say.FAILURE:
            return reply(asked, rcode=speech.rcode)


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
    }
    data = known.get(qtype, ())
    return [f"{name} {speech.ttl} {qtype} {one}" for one in data]


def speeches(names: st.SearchStrategy[str], most_edits: int = 2) -> st.SearchStrategy[Speech]:
    """Answers that lead to some of these names; most of them sound."""
    return st.builds(
        Speech,
        st.sampled_from((Say.DATA, Say.DATA, Say.CHAIN, Say.CHAIN, *Say)),
        st.lists(names, min_size=1, max_size=3).map(tuple),
        st.sampled_from((300, 300, 2, 1, 0, 100_000, 2**31 - 1)),
        st.sampled_from((1, 2, 2, 4, 5, 5, 9, 16, 23)),
        st.sampled_from((0, 0, 0, int(dns.flags.AA), int(dns.flags.AD))),
        st.booleans(),
        st.one_of(st.just(()), st.just(()), st.lists(edits, max_size=most_edits).map(tuple)),
    )
