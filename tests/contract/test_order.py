"""The order of decisions: client, policy on the question, special names, cache, upstream."""

from ipaddress import ip_network
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Drop, Reply
from dnsfilter.policy.model import Policy, Service
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, data, edes, query
from tests.support.policies import ban, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

TRANSPORTS = tuple(Transport)
OWN_NAMES = ("health.dnsfilter.internal", "probe.dnsfilter.internal")
BITS: tuple[dict[str, Any], ...] = ({}, {"do": True}, {"cd": True}, {"rd": False}, {"ad": True})


@each_row("transport", TRANSPORTS)
@each_row(
    "name",
    ["plain.example.org", "www.tiktok.com", "health.dnsfilter.internal", "localhost", "_dns.resolver.arpa", "x.local"],
)
def test_unregistered_client_is_refused_everything(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for client in (UNREGISTERED, "2001:db8::1", "::ffff:127.0.5.10"):
        reply = rig.at_once(query(name), client, transport)
        assert (reply.rcode(), edes(reply)) == (dns.rcode.REFUSED, [(18, "")])
        assert not reply.answer
    assert rig.forwarded == []


def test_unregistered_client_that_may_resolve_is_answered_and_no_other(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), internet(), clients=clients)
    assert data(rig.ask(query("www.tiktok.com"), UNREGISTERED)) == ["A 192.0.2.100"]
    assert edes(rig.at_once(query("www.tiktok.com"), "127.0.98.10")) == [(18, "")]


@each_row("transport", TRANSPORTS)
def test_query_without_rd_is_judged_by_policy_first_and_then_refused(start: Start, transport: Transport) -> None:
    rig = start(office(), internet())
    rig.ask(query("plain.example.org"), transport=transport)
    asked = len(rig.forwarded)
    banned = rig.at_once(query("www.tiktok.com", rd=False), transport=transport)
    assert [code for code, _ in edes(banned)] == [15]
    for name in ("plain.example.org", "new.example.org", *OWN_NAMES, "localhost"):
        reply = rig.at_once(query(name, rd=False), transport=transport)
        assert (reply.rcode(), edes(reply)) == (dns.rcode.REFUSED, [(20, "")])
        assert not reply.answer
    rig.settle()
    assert len(rig.forwarded) == asked


def test_a_ban_on_a_special_name_comes_before_its_local_answer(start: Start) -> None:
    clashing = service("tiktok", ("localhost", "use-application-dns.net", "resolver.arpa"))
    rig = start(_with(clashing), internet())
    for name in ("localhost", "use-application-dns.net", "_dns.resolver.arpa"):
        assert [code for code, _ in edes(rig.at_once(query(name)))] == [15]
        assert edes(rig.ask(query(name), MECHELEN)) == []


def test_special_name_is_answered_locally_and_never_forwarded(start: Start) -> None:
    rig = start(office(), internet())
    for name in ("x.local", "x.onion", "4.3.2.10.in-addr.arpa", *OWN_NAMES, "_dns.resolver.arpa"):
        for qtype in ("A", "TXT", "SVCB"):
            assert isinstance(rig.judge(query(name, qtype), MECHELEN), Reply)
    assert rig.forwarded == []


def test_the_cache_is_asked_before_the_upstream(start: Start) -> None:
    rig = start(office(), internet())
    for _ in range(3):
        assert data(rig.ask(query("plain.example.org"), MECHELEN)) == ["A 198.51.100.10"]
    assert rig.forwarded == [("plain.example.org", "A")]


@each_row("qclass", ["CH", "ANY", "NONE", "HS", "IN"])
def test_every_class_of_a_banned_name_is_refused(start: Start, qclass: str) -> None:
    rig = start(office(), internet())
    assert [code for code, _ in edes(rig.at_once(query("www.tiktok.com", "TXT", qclass)))] == [15]


@each_row("qclass", ["CH", "ANY", "NONE"])
@each_row("name", ["version.bind", "plain.example.org", *OWN_NAMES])
def test_other_classes_are_refused_without_details(start: Start, qclass: str, name: str) -> None:
    rig = start(office(), internet())
    reply = rig.at_once(query(name, "TXT", qclass))
    assert (reply.rcode(), edes(reply), reply.answer) == (dns.rcode.REFUSED, [], [])
    assert rig.forwarded == []


@each_row(
    "name",
    ["nottiktok.com", "tiktok.com.example.org", "below.api.example.net", "example.net", "tiktok.org"],
)
def test_names_next_to_and_above_a_banned_one_pass(start: Start, name: str) -> None:
    rig = start(office(), Scripted(says({(name, "A"): (f"{name}. 300 A 198.51.100.77",)})))
    assert data(rig.ask(query(name))) == ["A 198.51.100.77"]


@each_row("transport", TRANSPORTS)
@each_row("edns", [False, 0])
@each_row(
    ("name", "qtype", "client"),
    [
        ("www.tiktok.com", "A", GHENT),
        ("plain.example.org", "A", GHENT),
        ("video.example.org", "A", GHENT),
        ("absent.example.org", "A", DIEST),
        ("plain.example.org", "ANY", GHENT),
        ("localhost", "A", GHENT),
        ("www.tiktok.com", "A", UNREGISTERED),
    ],
)
def test_reply_has_an_opt_only_if_the_query_has_one(
    start: Start, name: str, qtype: str, client: str, edns: bool | int, transport: Transport
) -> None:
    rig = start(office(), internet())
    wire = query(name, qtype, edns=edns, do=edns is not False)
    reply = rig.ask(wire, client, transport)
    assert reply.edns == (-1 if edns is False else 0)
    assert bool(reply.ednsflags & 0x8000) == (edns is not False)
    assert not reply.flags & dns.flags.AA
    assert reply.flags & dns.flags.RA
    assert reply.id == int.from_bytes(wire[:2], "big")


def test_reply_repeats_the_case_of_the_question(start: Start) -> None:
    rig = start(office(), internet())
    for name, client in (("PlAiN.eXaMpLe.org.", MECHELEN), ("WwW.tIkToK.cOm.", GHENT), ("LocalHost.", GHENT)):
        for _ in range(2):
            assert rig.ask(query(name), client).question[0].name.to_text() == name


PLAIN = query("plain.example.org", id=7)


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        pytest.param(PLAIN[:2] + b"\x11\x00" + PLAIN[4:], dns.rcode.NOTIMP, id="opcode status"),
        pytest.param(PLAIN[:2] + b"\x79\x00" + bytes(8), dns.rcode.NOTIMP, id="opcode 15, no question"),
        pytest.param(PLAIN[:4] + b"\0\2" + PLAIN[6:], dns.rcode.FORMERR, id="two questions announced"),
        pytest.param(PLAIN + b"\0", dns.rcode.FORMERR, id="a byte too many"),
        pytest.param(query("plain.example.org", "AXFR", id=7), dns.rcode.NOTIMP, id="axfr"),
        pytest.param(query("plain.example.org", "IXFR", id=7), dns.rcode.NOTIMP, id="ixfr"),
        pytest.param(query("plain.example.org", edns=1, id=7), dns.rcode.BADVERS, id="edns 1"),
    ],
)
def test_unsupported_or_malformed_query_gets_its_rcode(start: Start, wire: bytes, rcode: int) -> None:
    rig = start(office(), internet())
    assert rig.at_once(wire).rcode() == rcode
    assert rig.forwarded == []


@each_row("wire", [b"", b"\0" * 11, b"\0\1\x80\0" + bytes(8)], ids=["empty", "short", "response"])
def test_runts_and_responses_get_no_answer(start: Start, wire: bytes) -> None:
    rig = start(office(), internet())
    assert rig.judge(wire) == Drop()
    client = rig.send(wire)
    rig.settle()
    assert client.receive() is None


def test_client_subnet_option_is_ignored_and_not_forwarded(start: Start) -> None:
    rig = start(office(), internet())
    subnet = dns.edns.ECSOption("127.0.7.0", 24)
    nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
    options = [subnet, nsid, dns.edns.GenericOption(dns.edns.OptionType.make(65001), b"x")]
    assert [code for code, _ in edes(rig.at_once(query("www.tiktok.com", options=options)))] == [15]
    reply = rig.ask(query("plain.example.org", options=options))
    assert data(reply) == ["A 198.51.100.10"]
    assert reply.options == ()
    sent = dns.message.from_wire(rig.upstream.asked[-1].message)
    assert (sent.options, sent.payload, sent.edns) == ((), 1232, 0)


def _with(tiktok: Service) -> Policy:
    return policy(*NETWORKS, tiktok, ban(1, "ghent", "tiktok"))
