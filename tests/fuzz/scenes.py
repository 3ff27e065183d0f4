"""Scenes for two engines: policies, settings, and the steps of clients, upstreams and time, drawn together.

Some events never occur in them. An upstream does not go away, because chance decides whom an ICMP error reaches.
Nothing is evicted, and no two keys share a place, because each kind of engine has its own hash key. Thousands of
pending questions and changing sockets do not occur either. The tests of the parts and of the contract cover those.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Network, ip_network

import dns.edns
from hypothesis import strategies as st

from dnsfilter.config.node_config import Clients, Limits, Rate, Strategy, Unregistered
from dnsfilter.policy.model import Binding, Ground, Instant, Mode, Policy, Prefix, Reply, Term, WireName
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.names import name_text
from tests.contract.cases import office
from tests.fuzz.seeds import ANSWERS, QNAME, QUERIES
from tests.support.engine_twins import Ask, Question, Speak, Step, Stream, Swap, Wait
from tests.support.engines import GHENT, MECHELEN, NO_RATES, query
from tests.support.message_mutations import mutants, noise
from tests.support.policies import (
    DAY,
    NOW,
    ban,
    boundaries,
    exemption,
    instants,
    names_of,
    network,
    policies,
    policy,
    service,
)
from tests.support.upstream_answers import Say, Speech, speeches
from tests.support.weighted_choices import often

CLIENTS = (
    "127.0.2.1",
    "127.0.2.70",
    "127.0.2.77",
    "127.0.2.129",
    "127.0.5.10",
    "127.0.7.10",
    "127.0.8.10",
    "127.9.9.9",
)
"""Addresses in the drawn ranges, in the office's, and in none."""
ELSEWHERE = (*CLIENTS, "2001:db8::1", "2001:db8:0:1::53", "2001:db9::1")
V6_CLIENT = "::1"
"""The only IPv6 address that a client can have on loopback."""
STAFF = (network("127.0.5.0/24", "ghent"), network("127.0.7.0/24", "mechelen"), network(f"{V6_CLIENT}/128", "ghent"))
LISTEN = ("127.0.0.1",) * 6 + ("0.0.0.0", "::", V6_CLIENT)
CROWD = 70
"""More clients with the same question than one batch of receiving or sending holds."""
SOME_QTYPES = ("AAAA", "HTTPS", "HTTPS", "CNAME", "MX", "TXT", "NS", "PTR", "SVCB", "SRV", "SOA", "DS", "ANY", "RRSIG")
RARE_QTYPES = ("NAPTR", "PX", "RP", "AFSDB", "RT", "KX", "DNAME", "TYPE65400")
QCLASSES = ("IN",) * 30 + ("HS", "CH", "NONE", "ANY")
ZONE = "tok"
TEMPTING = (
    "www.tiktok.com.",
    "cdn.example.net.",
    "mask.icloud.com.",
    "x.local.",
    "below.arpa.",
    "1.2.0.192.in-addr.arpa.",
    "plain.example.org.",
    "health.dnsfilter.internal.",
    "probe.dnsfilter.internal.",
    "_dns.resolver.arpa.",
    "use-application-dns.net.",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The settings of both engines, and the steps."""

    policy: Policy
    wall_s: int
    listen: str
    clients: Clients
    limits: Limits
    trust_ad: bool
    conditional: bool
    strategy: Strategy
    cookies: bool
    stale_s: int
    steps: list[Step]


# Policies.


def _on_loopback(drawn: Policy) -> Policy:
    """Return the policy with 192.0.2.0/24 moved to 127.0.2.0/24, where clients can have sockets, and more ranges."""

    def moved(prefix: Prefix) -> Prefix:
        if isinstance(prefix, IPv4Network) and prefix.subnet_of(IPv4Network("192.0.2.0/24")):
            return ip_network(f"127.0.{str(prefix).removeprefix('192.0.')}")
        return prefix

    return replace(
        drawn,
        ranges=(*(replace(one, prefix=moved(one.prefix)) for one in drawn.ranges), *STAFF),
        exemptions=tuple(replace(one, ranges=frozenset(map(moved, one.ranges))) for one in drawn.exemptions),
    )


def _several() -> Policy:
    """Return a policy of bans that begin and end within minutes, exemptions, and encrypted resolvers."""
    soon = (Term(0, NOW + 20), Term(NOW + 45, NOW + 200))
    return office(
        network("127.0.2.0/24", "ghent"),
        STAFF[-1],
        service("encrypted_dns", ("doh.example",), ("dns.example.net",)),
        ban(3, "ghent", "encrypted_dns"),
        ban(4, "mechelen", "encrypted_dns", terms=soon, reply=Reply.NXDOMAIN),
        ban(5, "mechelen", "tiktok", terms=soon),
        exemption(1, 1, ["127.0.2.0/24"], NOW - DAY, NOW + 90),
        exemption(2, 3, ["127.0.2.0/24"]),
        revision=3,
    )


def _crowded(services: int, authorities: int) -> Policy:
    """Return a policy of services with the same name. Authorities monitor each, and their bans bind Ghent's staff."""
    listed = [service(f"s{number}", ("crowd.example",)) for number in range(services)]
    bans = [
        ban(1 + number * authorities + of, f"body-{of}", f"s{number}", Mode.MONITOR)
        for number in range(services)
        for of in range(authorities)
    ]
    bindings = [Binding(one.number, one.number, "ghent", Ground.LAW, 0) for one in bans]
    last = ban(len(bans) + 1, "mechelen", "s0")
    return policy(*STAFF, *listed, *bans, last, *bindings, revision=4)


OFFICES = (
    *(office(STAFF[-1], reply=reply, addresses=("192.0.2.80", "2001:db8::80")) for reply in Reply),
    office(mode=Mode.MONITOR, revision=2),
    _several(),
    _several(),
    _several(),
)
CROWDED = (_crowded(40, 1), _crowded(20, 4))
"""Policies with more services, and more bans, than the compiled engine has room for."""
drawn_policies: st.SearchStrategy[Policy] = often(
    (6, policies().map(_on_loopback)), (5, st.sampled_from(OFFICES)), (1, st.sampled_from(CROWDED))
)


def _moments(policy: Policy) -> st.SearchStrategy[Instant]:
    """Return the times to draw: now, at or shortly before a start or an end, or by a wrong clock."""
    edges = [edge for edge in boundaries(policy) if edge >= NOW] or [NOW]
    shortly = st.builds(lambda edge, before: edge - before, st.sampled_from(edges), st.integers(1, 70))
    wrong = st.sampled_from((0, NOW - 3_600, NOW - 61, NOW - 30))
    return often((4, st.just(NOW)), (3, instants(policy, NOW)), (3, shortly), (1, wrong))


# Questions.


def _text(name: WireName) -> str:
    return f"{name_text(name)}." if len(name) > 1 else "."


def _names(policy: Policy) -> st.SearchStrategy[str]:
    return often((4, names_of(policy).map(_text)), (1, st.sampled_from(TEMPTING)), (1, st.just(f"{QNAME}.")))


def _asked(name: str, qtype: str, qclass: str, id: int, edns: tuple[bool, int, int], bits: int) -> bytes:  # noqa: A002
    """Return a query. Bits 1, 2 and 4 set DO, CD and AD, 15 clears RD, 16 swaps the case, 32 asks for JSON."""
    has_edns, payload, padding = edns
    options = [dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(padding))] if padding else []
    if has_edns and bits & 32:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.EDE, bytes(2)))
    return query(
        name.swapcase() if bits & 16 else name,
        qtype,
        qclass,
        rd=bits & 15 != 15,
        edns=0 if has_edns else False,
        payload=payload,
        do=has_edns and bits & 1 > 0,
        cd=bits & 2 > 0,
        ad=bits & 4 > 0,
        options=options or None,
        id=id,
    )


def _messages(names: st.SearchStrategy[str], qtypes: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Return a strategy of queries, nearly all of them sound."""
    edns = often(
        (4, st.just((True, 1232, 0))),
        (2, st.just((False, 0, 0))),
        (1, st.sampled_from(((True, 512, 0), (True, 4096, 0), (True, 0, 8), (True, 1232, 300), (True, 1232, 1_000)))),
    )
    bits = st.sampled_from((0,) * 12 + (1, 1, 1, 2, 4, 7, 15, 16, 31, 32, 32, 33))
    sound = st.builds(_asked, names, qtypes, st.sampled_from(QCLASSES), st.integers(0, 65_535), edns, bits)
    mutant, odd = mutants(QUERIES, 2), noise(QUERIES["plain"])
    return often((20, sound), (2, mutant.map(lambda one: one.data)), (1, odd.map(lambda one: one.data)))


def _questions(messages: st.SearchStrategy[bytes], listen: str) -> st.SearchStrategy[tuple[Question, ...]]:
    """Return a strategy of bursts: a few questions, or many clients with the same question."""
    by_hand = st.builds(Question, st.sampled_from(ELSEWHERE), messages, st.sampled_from(Transport))
    burst = st.lists(often((3, _by_socket(messages, listen)), (1, by_hand)), min_size=1, max_size=3).map(tuple)
    crowd = st.tuples(messages, st.lists(_by_socket(messages, listen), min_size=1, max_size=3)).map(_crowd)
    return often((30, burst), (1, crowd))


def _by_socket(messages: st.SearchStrategy[bytes], listen: str) -> st.SearchStrategy[Question]:
    v4 = (*CLIENTS, GHENT, GHENT, GHENT, MECHELEN, MECHELEN, MECHELEN)
    return st.builds(Question, st.sampled_from((V6_CLIENT,) if ":" in listen else v4), messages, st.none())


def _crowd(drawn: tuple[bytes, list[Question]]) -> tuple[Question, ...]:
    """Return a crowd of the same question, with a few other questions in the middle."""
    message, some = drawn
    same = [Question(some[number % len(some)].client, message, None) for number in range(CROWD)]
    return (*same[: CROWD // 2], *some, *same[CROWD // 2 :])


# Steps.


def _again(
    asked: tuple[bytes, list[Question]], first: Speech, wait: Wait | None, then: Speech | None
) -> tuple[Step, ...]:
    """Return steps in which several clients ask the same in turn: from the cache, perhaps stale, or from upstream."""
    message, some = asked
    asks = [replace(one, message=message) for one in some]
    pause = () if wait is None else (wait, Ask((asks[0],), then), wait)
    return (Ask((asks[0],), first), *pause, *(Ask((one,), then) for one in asks[1:]))


def _swap(policy: Policy, other: Policy) -> st.SearchStrategy[Swap]:
    return st.builds(Swap, st.sampled_from((other, policy)), st.integers(0, 60))


@st.composite
def _steps(draw: st.DrawFn, policy: Policy, other: Policy, listen: str) -> list[Step]:
    anything = often((3, _names(policy)), (1, _names(other)))
    few = draw(st.lists(anything, min_size=1, max_size=3))
    names = often((5, st.sampled_from(few)), (1, anything))
    one_type = often((1, st.sampled_from(SOME_QTYPES)), (1, st.sampled_from(RARE_QTYPES)))
    qtypes = often((6, st.just("A")), (4, st.just(draw(one_type))), (1, one_type))
    said: st.SearchStrategy[Speech | bytes] = often(
        (6, speeches(names)), (1, mutants(ANSWERS, 1).map(lambda one: one.data))
    )
    messages, swap = _messages(names, qtypes), _swap(policy, other)
    questions = _questions(messages, listen)
    several = st.tuples(messages, st.lists(_by_socket(messages, listen), min_size=2, max_size=4))
    failed = speeches(names).map(lambda one: replace(one, say=Say.FAILURE, edits=()))
    sound = speeches(names, 0)
    then = often((1, st.none()), (2, failed), (2, sound))
    wait = st.builds(Wait, st.sampled_from((1, 400, 900, 1_200, 3_000, 6_000, 12_000)))
    later: st.SearchStrategy[Step] = often((1, swap), (1, wait))
    unanswered = st.builds(Ask, questions, st.none())
    step: st.SearchStrategy[tuple[Step, ...]] = often(
        (8, st.tuples(st.builds(Ask, questions, said))),
        (2, st.tuples(unanswered)),
        (3, st.tuples(st.builds(Speak, said, st.integers(0, 6), st.sampled_from((False,) * 7 + (True,))))),
        (1, st.tuples(st.builds(Stream, often((1, st.none()), (2, said))))),
        (2, st.tuples(wait)),
        (1, st.tuples(swap)),
        (2, st.builds(_again, several, sound, often((1, st.none()), (1, wait)), then)),
        # Answers come late or under another policy.
        (1, st.tuples(unanswered, later, st.builds(Speak, said, st.just(0), st.just(False)))),
    )
    steps = draw(st.lists(step, min_size=8, max_size=20))
    return [one for several in steps for one in several]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Draw arbitrary small scenes around `NOW`."""
    policy, other, listen = draw(drawn_policies), draw(drawn_policies), draw(st.sampled_from(LISTEN))
    everyone = Clients(Unregistered.RESOLVE, (ip_network("127.0.0.0/8"), ip_network("2001:db8::/32")))
    tight = Limits(
        clients=Rate(1, 3),
        overrides=((ip_network("127.0.2.64/26"), Rate(2, 1)), (ip_network("127.0.7.0/24"), Rate(0, 0))),
        unregistered=Rate(1, 2),
        slip=2,
        waiting=4,
        waiting_per_client=2,
    )
    crowded = replace(NO_RATES, waiting=3, waiting_per_client=2)
    return Scene(
        policy,
        draw(_moments(policy)),
        listen,
        draw(st.sampled_from((everyone, everyone, Clients(Unregistered.REFUSE)))),
        draw(st.sampled_from((NO_RATES, NO_RATES, NO_RATES, crowded, tight))),
        draw(st.booleans()),
        draw(st.sampled_from((True, True, False))),
        draw(st.sampled_from(Strategy)),
        draw(st.booleans()),
        draw(st.sampled_from((3_600, 5, 0))),
        draw(_steps(policy, other, listen)),
    )
