"""Every way in which a reply comes about. Tests use the list to check a rule for all replies."""

from collections.abc import Callable
from dataclasses import dataclass

import dns.rcode

from dnsfilter.engine.interface import Drop, Miss, Update
from dnsfilter.engine.interface import Reply as Answered
from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import RECORDS, office
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Rig, query
from tests.support.scripted import Asked, Behaviour, Scripted, denial, fails, reply, says
from tests.support.starting import Start

PLAIN = "Plain.Example.Org"
BANNED = "Www.TikTok.Com"
BIG = "Big.Example.Org"
ADDRESSES = ("192.0.2.80", "2001:db8::80")
STRINGS = " ".join(f'"{"x" * 200}"' for _ in range(3))

KNOWS = says(RECORDS)


@dataclass(frozen=True, slots=True)
class Way:
    """A question, and the conditions for one kind of reply. The names are in mixed case.

    `warm`: the question is asked twice, and the second reply counts. `stale`: the first answer has expired and upstream
    now fails. `small`: the client takes 512 bytes, which truncates the reply.
    """

    id: str
    name: str = PLAIN
    qtype: str = "A"
    qclass: str = "IN"
    client: str = GHENT
    rcode: int = dns.rcode.NOERROR
    reply: Reply = Reply.REFUSED
    upstream: Behaviour = KNOWS
    rd: bool = True
    warm: bool = False
    stale: bool = False
    small: bool = False


def _denies(rcode: int) -> Behaviour:
    return lambda asked: (denial(asked, "example.org", rcode=rcode),)


def _short(asked: Asked) -> tuple[bytes, ...]:
    return (reply(asked, (f"{asked.name}. 2 A 198.51.100.10",)),)


def _big(asked: Asked) -> tuple[bytes, ...]:
    return (reply(asked, [f"{asked.name}. 300 TXT {STRINGS}", f'{asked.name}. 300 TXT "y"']),)


OURS = (
    Way("refused", BANNED, rcode=dns.rcode.REFUSED),
    Way("nxdomain", BANNED, rcode=dns.rcode.NXDOMAIN, reply=Reply.NXDOMAIN),
    Way("nodata", BANNED, reply=Reply.NODATA),
    Way("address", BANNED, reply=Reply.ADDRESS),
    Way("address without one", BANNED, "HTTPS", reply=Reply.ADDRESS),
    Way("refused for its target", "Video.Example.Org", rcode=dns.rcode.REFUSED),
    Way("denied for its target", "Video.Example.Org", reply=Reply.NXDOMAIN),
    Way("refused for its target from cache", "Video.Example.Org", rcode=dns.rcode.REFUSED, warm=True),
    Way("unregistered", client=UNREGISTERED, rcode=dns.rcode.REFUSED),
    Way("not recursive", rcode=dns.rcode.REFUSED, rd=False),
    Way("class", qtype="TXT", qclass="CH", rcode=dns.rcode.REFUSED),
    Way("special address", "LocalHost"),
    Way("special denial", "x.Invalid", rcode=dns.rcode.NXDOMAIN),
    Way("signal", "Use-Application-DNS.net", rcode=dns.rcode.NXDOMAIN),
    Way("probe", "Health.dnsfilter.internal", "TXT"),
    Way("any", PLAIN, "ANY", upstream=_denies(dns.rcode.NOERROR)),
    Way("transfer", qtype="AXFR", rcode=dns.rcode.NOTIMP),
    Way("type of denials only", qtype="TYPE128", rcode=dns.rcode.FORMERR),
    Way("upstream fails", upstream=fails(dns.rcode.SERVFAIL), rcode=dns.rcode.SERVFAIL),
)
"""Replies that the engine makes itself."""
THEIRS = (
    Way("forwarded"),
    Way("cached", warm=True),
    Way("no data", "Plain.example.org", "AAAA", upstream=_denies(dns.rcode.NOERROR)),
    Way("no such name", "Absent.example.org", rcode=dns.rcode.NXDOMAIN),
    Way("no such name from cache", "Absent.example.org", rcode=dns.rcode.NXDOMAIN, warm=True),
    Way("empty", upstream=fails(dns.rcode.NOERROR)),
    Way("odd rcode", upstream=fails(dns.rcode.YXDOMAIN), rcode=dns.rcode.YXDOMAIN),
    Way("stale", upstream=_short, warm=True, stale=True),
    Way("cut", BIG, "TXT", upstream=_big, small=True),
)
"""Replies that pass on an answer from upstream."""
WAYS = OURS + THEIRS


def ask(
    start: Start,
    way: Way,
    *,
    edns: int | bool = 0,
    do: bool = False,
    cd: bool = False,
    ad: bool = False,
    transport: Transport = Transport.UDP,
    upstream: Behaviour | None = None,
    change: Callable[[bytes], bytes] = lambda wire: wire,
    trust_ad: bool = False,
) -> tuple[bytes, bytes, Rig]:
    """Ask the question of `way` and return the query, the reply and the rig.

    `change` changes the bytes of the query. Query and reply are returned as they were sent.
    """
    payload = 512 if way.small else 1232
    rig = start(office(reply=way.reply, addresses=ADDRESSES), Scripted(upstream or way.upstream), trust_ad=trust_ad)
    wire = change(query(way.name, way.qtype, way.qclass, rd=way.rd, edns=edns, payload=payload, do=do, cd=cd, ad=ad))
    if way.warm:
        bytes_of(rig, wire, MECHELEN, transport)
    if way.stale:
        rig.pass_time(3000)
        rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    return wire, bytes_of(rig, wire, way.client, transport), rig


def bytes_of(rig: Rig, wire: bytes, client: str = GHENT, transport: Transport = Transport.UDP) -> bytes:
    """Return the reply to one query, as the bytes that the client gets."""
    if transport is Transport.UDP:
        return rig.until(rig.send(wire, client).receive)
    outcome = rig.judge(wire, client, transport)
    match outcome:
        case Answered(found):
            return found
        case Miss():
            ticket = rig.forward(outcome)
            return rig.until(lambda: rig.answered.pop(ticket, None))
        case Drop() | Update():
            raise AssertionError(f"no reply to the query: {outcome}")
