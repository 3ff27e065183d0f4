"""Replies from local records equal the reference's, byte for byte. Messages of floods never run Python code."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Miss
from dnsfilter.engine.interface import Reply as Replied
from dnsfilter.engine.slow_path.local import OURS
from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.policy.model import FormalDecision, Policy, Reply, Term
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.names import name_text, parse_name
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, query, running
from tests.support.policies import NOW, authority, ban, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, silent
from tests.unit.engine.compiled.both import CONDITIONAL, both
from tests.unit.wire.build import message, opt, question, record

pytest.importorskip("dnsfilter.engine._engine")

EVERYONE = Clients(Unregistered.RESOLVE, (ip_network("127.0.0.0/8"),))
LONG = f"{'a' * 60}.{'b' * 60}.tiktok.com"
POINTED = parse_name("x.tiktok.com") + b"\0\1\0\1"


def _banned(reply: Reply, addresses: int, reference: str, terms: tuple[Term, ...]) -> Policy:
    """Return a policy with a ban with `addresses` addresses of each family, and `reference` in its text."""
    many = tuple(f"192.0.2.{n}" for n in range(addresses)) + tuple(f"2001:db8::{n}" for n in range(addresses))
    banned = ban(1, "ghent", "tiktok", reply=reply, addresses=many, terms=terms)
    names = (LONG, "tiktok.com", "x.tiktok.com")
    made = office(authority("ghent", ("nl", "fr", "de", "en")))
    banned = replace(banned, decision=FormalDecision(reference=reference))
    hit = service("tiktok", names, ("host.example.org",))
    return policy(*made.authorities, *made.ranges, hit, banned)


names = st.sampled_from(
    (LONG, f"{'c' * 60}.{LONG}", "tiktok.com", "Www.TikTok.com", "x.tiktok.com", "host.example.org")
)
terms = st.sampled_from(
    ((Term(0),), (Term(0, NOW + 1),), (Term(0, NOW + 7),), (Term(0, NOW + 10),), (Term(0, NOW + 99),))
)


@given(
    st.sampled_from(Reply),
    st.sampled_from((0, 1, 14, 40)),
    st.sampled_from(("", "GC 2023/71", "x" * 120)),
    terms,
    st.lists(
        st.tuples(
            names,
            st.sampled_from(("A", "AAAA", "HTTPS", "ANY", "DS")),
            st.sampled_from(("IN", "IN", "IN", "HS", "CH", "ANY")),
            st.sampled_from((None, 0, 512, 600, 1232, 4096)),
            st.integers(0, 15),
            st.sampled_from(Transport),
        ),
        min_size=1,
        max_size=20,
    ),
)
@examples(80)
def test_refusal_equals_the_references(
    reply: Reply, addresses: int, reference: str, ends: tuple[Term, ...], asked: list[Any]
) -> None:
    with both(_banned(reply, addresses if reply is Reply.ADDRESS else 0, reference, ends)) as ask:
        for name, qtype, qclass, payload, bits, transport in asked:
            edns = {"edns": False} if payload is None else {"payload": payload, "do": bits & 8 > 0}
            data = query(name, qtype, qclass, rd=bits & 1 > 0, cd=bits & 2 > 0, ad=bits & 4 > 0, id=7, **edns)
            assert isinstance(ask(data, transport=transport), Replied)


FLOODS = {
    "nothing": b"",
    "runt": query("x.example.org")[:11],
    "response": query("x.example.org")[:2] + b"\x81" + query("x.example.org")[3:],
    "cut short": query("x.example.org")[:-3],
    "no question": message(counts=(0, 0, 0, 0)),
    "two questions": message(question() * 2, counts=(2, 0, 0, 0)),
    "notify": message(question(), flags=0x2000),
    "update": message(question(), flags=0x2800),
    "version 1": message(question(), opt(ttl=0x10000), counts=(1, 0, 0, 1)),
    "two opts": message(question(), opt(), opt(), counts=(1, 0, 0, 2)),
    "wrong subnet": message(question(), opt(b"\0\x08\0\x01\0"), counts=(1, 0, 0, 1)),
    "nxname": message(question(qtype=128)),
    "transfer": query("x.example.org", "AXFR"),
    "not recursive": query("x.example.org", rd=False),
    "chaos": query("version.bind", "TXT", "CH"),
    "class any": query("x.example.org", "A", "ANY"),
    "any, reverse": query("1.2.3.10.in-addr.arpa", "ANY"),
    "private reverse": query("1.2.3.10.in-addr.arpa", "PTR"),
    "mdns": query("printer.local"),
    "ddr": query("_dns.resolver.arpa", "SVCB"),
    "canary": query("use-application-dns.net"),
    "relay": query("mask.icloud.com"),
    "localhost": query("localhost", "AAAA"),
    "below localhost": query("db.localhost"),
    "below the probe": query("x.health.dnsfilter.internal"),
    "signed": message(POINTED, record(b"\xc0\x0c", 250, bytes(8), rclass=255), counts=(1, 0, 0, 1)),
    "banned": query("www.tiktok.com"),
    "banned, not recursive": query("www.tiktok.com", rd=False),
}


@pytest.mark.heavy
@each_row("reply", Reply)
@each_row("flood", sorted(FLOODS))
@each_row("client", [GHENT, UNREGISTERED])
def test_messages_of_floods_are_answered_without_the_slow_path(
    flood: str, client: str, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = ("192.0.2.80",) if reply is Reply.ADDRESS else ()
    with both(office(reply=reply, addresses=addresses)) as ask:
        for transport in Transport:
            ask(FLOODS[flood], client, transport)

    def unexpected(*_of: object) -> None:
        raise AssertionError("the slow path was taken")

    policy = office(reply=reply, addresses=addresses)
    with running("compiled", policy, Scripted(silent)) as rig, monkeypatch.context() as patch:
        patch.setattr(SlowPath, "decide_message", unexpected)
        assert not isinstance(rig.judge(FLOODS[flood], client), Miss)


@pytest.mark.heavy
@each_row("conditional", [False, True])
@each_row("qtype", ["A", "AAAA", "ANY", "DS", "PTR", "SVCB"])
def test_local_answers_equal_the_references(conditional: bool, qtype: str) -> None:
    with both(office(), conditional=conditional) as ask:
        for name in sorted(map(name_text, OURS)):
            for asked in (name, f"x.{name}", f"1.2.X.{name.upper()}", f"x{name}"):
                ask(query(asked, qtype, id=7, edns=False), transport=Transport.TCP)
                data = query(asked.swapcase(), qtype, id=7)
                for client in (GHENT, MECHELEN, DIEST):
                    ask(data, client)


@each_row("qtype", ["A", "DS", "ANY"])
def test_conditional_zones_are_asked_of_their_servers(qtype: str) -> None:
    with both(office(), conditional=True) as ask:
        for name in (*CONDITIONAL, "x.corp.internal", "y.internal", "1.10.in-addr.arpa", "db.localhost"):
            ask(query(name, qtype, id=7))


@each_row("flood", sorted(FLOODS))
def test_unregistered_client_that_may_ask_is_answered_as_by_the_reference(flood: str) -> None:
    with both(office(), clients=EVERYONE) as ask:
        ask(FLOODS[flood], UNREGISTERED)
        ask(query("www.tiktok.com", id=7), UNREGISTERED)
