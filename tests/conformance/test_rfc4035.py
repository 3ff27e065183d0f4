"""RFC 4035, 6840 and 3225 for a resolver that does not validate: the bits DO, CD and AD, and records of DNSSEC."""

import select
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import OURS, WAYS, Way, ask
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, PATIENCE_S, ZoneTo, data, query
from tests.support.knot import Knot
from tests.support.nodes import Node
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, reply
from tests.support.starting import Start
from tests.support.zone_texts import website
from tests.support.zone_texts import zone as zone_text

NAME = "plain.example.org"
DO = 0x8000
SIGNED_UNTIL = "20300101000000 20200101000000 1 example.org. AAAA"
PROOF_TYPES = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3}

ADDRESS = (f"{NAME}. 300 A 198.51.100.10",)
ADDRESS_SIGNATURE = (f"{NAME}. 300 RRSIG A 13 3 300 {SIGNED_UNTIL}",)
SOA = ("example.org. 300 SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 300",)
PROOFS = (
    f"example.org. 300 RRSIG SOA 13 2 300 {SIGNED_UNTIL}",
    "example.org. 300 NSEC plain.example.org. NS SOA RRSIG NSEC DNSKEY",
    f"example.org. 300 RRSIG NSEC 13 2 300 {SIGNED_UNTIL}",
    "2vptu5timamqttgl4luu9kg21e0aor3s.example.org. 300 NSEC3 1 0 0 - 35MTHGPGCU1QG68FAB165KLNSNK3DPVL A RRSIG",
    f"2vptu5timamqttgl4luu9kg21e0aor3s.example.org. 300 RRSIG NSEC3 13 3 300 {SIGNED_UNTIL}",
)

matrix = each_row(
    ("edns", "do", "cd", "ad"),
    [
        (edns, do, cd, ad)
        for edns, do, cd, ad in product((False, 0), *((False, True),) * 3)
        if not (do and edns is False)
    ],
    ids=lambda value: "plain" if value is False else str(value),
)


def zone(*, signed: bool, heeds_do: bool = True, validates: bool = False) -> Behaviour:
    """Return an upstream with one address for NAME.

    It denies everything else: the name, if it begins with "absent", or only the type. `signed` adds signatures and
    proofs, but only if the query has DO. Without `heeds_do`, every query gets them. `validates` sets AD.
    """

    def behave(asked: Asked) -> Iterable[bytes]:
        wants = bool(dns.message.from_wire(asked.message).ednsflags & DO) or not heeds_do
        flags = int(dns.flags.AD) if validates else 0
        if (asked.name, asked.qtype) == (NAME, "A"):
            return (reply(asked, ADDRESS + (ADDRESS_SIGNATURE if signed and wants else ()), flags=flags),)
        rcode = dns.rcode.NXDOMAIN if asked.name.startswith("absent") else dns.rcode.NOERROR
        return (reply(asked, (), SOA + (PROOFS if signed and wants else ()), rcode=rcode, flags=flags),)

    return behave


def proofs(message: dns.message.Message) -> list[dns.rdatatype.RdataType]:
    """Return the type of each record in the message that only a validating client needs, in order."""
    sections = message.answer + message.authority + message.additional
    return [rrset.rdtype for rrset in sections for _ in rrset if rrset.rdtype in PROOF_TYPES]


QUESTIONS = ((NAME, "A"), (NAME, "AAAA"), ("absent.example.org", "A"))


@pytest.mark.slow
@matrix
@each_row("heeds_do", [True, False], ids=["heeding", "heedless"])
@each_row("signed", [True, False], ids=["signed", "unsigned"])
@each_row("validates", [True, False], ids=["validated", "unvalidated"])
def test_every_combination_of_bits_cold_and_warm(
    start: Start, edns: int | bool, do: bool, cd: bool, ad: bool, signed: bool, heeds_do: bool, validates: bool
) -> None:
    upstream = zone(signed=signed, heeds_do=heeds_do, validates=validates)
    for trusted, (name, qtype), transport in product((True, False), QUESTIONS, Transport):
        rig = start(office(), Scripted(upstream), trust_ad=trusted)
        wire = query(name, qtype, edns=edns, do=do, cd=cd, ad=ad)
        cold, warm = rig.ask(wire, GHENT, transport), rig.ask(wire, MECHELEN, transport)
        assert cold.to_wire() == warm.to_wire()
        assert cold.edns == (-1 if edns is False else 0)
        assert bool(cold.ednsflags & DO) == do
        assert bool(cold.flags & dns.flags.CD) == cd
        assert bool(cold.flags & dns.flags.AD) == (trusted and validates and (ad or do))
        expected = (1 if qtype == "A" and name == NAME else len(PROOFS)) if signed and do else 0
        assert len(proofs(cold)) == expected
        assert data(cold)[:1] == (["A 198.51.100.10"] if (name, qtype) == (NAME, "A") else [])
        (asked,) = rig.upstream.asked
        sent = dns.message.from_wire(asked.message)
        assert (sent.edns, bool(sent.ednsflags & DO), bool(sent.flags & dns.flags.CD)) == (0, do, cd)
        assert bool(sent.flags & dns.flags.AD) == trusted


def test_answers_are_kept_apart_by_do_and_cd_and_by_nothing_else_of_the_client(start: Start) -> None:
    rig = start(office(), internet())
    for do, cd, ad, transport in product((False, True), (False, True), (False, True), Transport):
        assert data(rig.ask(query(NAME, do=do, cd=cd, ad=ad), transport=transport)) == ["A 198.51.100.10"]
    sent = [dns.message.from_wire(asked.message) for asked in rig.upstream.asked]
    assert sorted((bool(m.ednsflags & DO), bool(m.flags & dns.flags.CD)) for m in sent) == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]
    for edns in (False, 0):
        assert data(rig.at_once(query(NAME.upper(), edns=edns))) == ["A 198.51.100.10"]


# Records of DNSSEC.


@each_row("do", [True, False])
@each_row(
    ("qtype", "lines"),
    [
        ("RRSIG", ADDRESS_SIGNATURE),
        ("NSEC", (f"{NAME}. 300 NSEC z.example.org. A RRSIG NSEC",)),
        ("NSEC3", (f"{NAME}. 300 NSEC3 1 0 0 - 35MTHGPGCU1QG68FAB165KLNSNK3DPVL A",)),
        ("DNSKEY", (f"{NAME}. 300 DNSKEY 257 3 13 AAAA",)),
        ("DS", (f"{NAME}. 300 DS 1 13 2 {'00' * 32}",)),
        ("CDS", (f"{NAME}. 300 CDS 1 13 2 {'00' * 32}",)),
        ("CDNSKEY", (f"{NAME}. 300 CDNSKEY 257 3 13 AAAA",)),
        ("NSEC3PARAM", (f"{NAME}. 300 NSEC3PARAM 1 0 0 -",)),
    ],
)
def test_who_asks_for_a_type_of_dnssec_gets_it_with_do_and_without(
    start: Start, qtype: str, lines: tuple[str, ...], do: bool
) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, lines),)))
    for _ in range(2):
        found = rig.ask(query(NAME, qtype, do=do))
        assert [rrset.rdtype for rrset in found.answer] == [dns.rdatatype.from_text(qtype)]


def test_who_did_not_set_do_gets_the_rest_of_a_message_that_loses_its_proofs(start: Start) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        return (
            reply(
                asked,
                (
                    "a.example.org. 300 CNAME b.example.org.",
                    f"a.example.org. 300 RRSIG CNAME 13 3 300 {SIGNED_UNTIL}",
                    "b.example.org. 300 MX 5 c.example.org.",
                    f"b.example.org. 300 RRSIG MX 13 3 300 {SIGNED_UNTIL}",
                ),
                ("example.org. 300 NS ns.example.org.", f"example.org. 300 RRSIG NS 13 2 300 {SIGNED_UNTIL}"),
                ("c.example.org. 300 A 198.51.100.9", f"c.example.org. 300 RRSIG A 13 3 300 {SIGNED_UNTIL}"),
            ),
        )

    rig = start(office(), Scripted(behave))
    found = rig.ask(query("a.example.org", "MX"))
    assert data(found) == ["CNAME b.example.org.", "MX 5 c.example.org."]
    assert [rrset.rdtype for rrset in found.authority + found.additional] == [dns.rdatatype.NS, dns.rdatatype.A]
    assert len(proofs(rig.ask(query("a.example.org", "MX", do=True)))) == 4


def test_signatures_and_proofs_pass_byte_for_byte(start: Start) -> None:
    rig = start(office(), Scripted(zone(signed=True)))
    for name, qtype in QUESTIONS:
        for _ in range(2):
            found = rig.ask(query(name, qtype, do=True))
            (said,) = zone(signed=True)(rig.upstream.asked[-1])
            sent = dns.message.from_wire(said)
            assert (found.answer, found.authority) == (sent.answer, sent.authority)
            assert len(proofs(found)) in (1, len(PROOFS))


# DO (RFC 3225).


@each_row("way", WAYS, ids=lambda way: str(way.id))
@each_row("do", [True, False])
def test_do_is_copied_into_every_reply(start: Start, way: Way, do: bool) -> None:
    _, raw, _ = ask(start, way, do=do)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert found.ednsflags == (DO if do else 0)


# CD (RFC 4035 section 3.2.2).


@each_row("way", WAYS, ids=lambda way: str(way.id))
@each_row("cd", [True, False])
def test_cd_is_copied_into_every_reply(start: Start, way: Way, cd: bool) -> None:
    _, raw, _ = ask(start, way, cd=cd)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert bool(found.flags & dns.flags.CD) == cd


def _bogus(asked: Asked) -> Iterable[bytes]:
    """Answer like a validating upstream for a name with wrong signatures: SERVFAIL, unless the query has CD."""
    if dns.message.from_wire(asked.message).flags & dns.flags.CD:
        return (reply(asked, ADDRESS),)
    return (reply(asked, rcode=dns.rcode.SERVFAIL),)


@each_row("order", [(True, False, True, False), (False, True, False, True)])
def test_bogus_data_reaches_those_who_set_cd_and_nobody_else(start: Start, order: tuple[bool, ...]) -> None:
    rig = start(office(), Scripted(_bogus))
    for cd in order:
        found = rig.ask(query(NAME, cd=cd))
        assert (found.rcode(), bool(found.answer)) == (dns.rcode.NOERROR if cd else dns.rcode.SERVFAIL, cd)
    rig.pass_time(301_000)
    assert rig.ask(query(NAME)).rcode() == dns.rcode.SERVFAIL


# AD (RFC 6840 sections 5.7 and 5.8).


@each_row("way", OURS, ids=lambda way: str(way.id))
def test_nothing_of_our_own_making_is_called_authentic(start: Start, way: Way) -> None:
    def validated(asked: Asked) -> list[bytes]:
        return [raw[:3] + bytes([raw[3] | dns.flags.AD]) + raw[4:] for raw in way.upstream(asked)]

    _, raw, _ = ask(start, way, ad=True, do=True, upstream=validated, trust_ad=True)
    found = dns.message.from_wire(raw)
    assert found.rcode() == way.rcode
    assert not found.flags & dns.flags.AD


def test_an_alias_and_what_it_leads_to_are_authentic_only_if_both_are(start: Start) -> None:
    def chain(*authentic: str) -> Behaviour:
        def behave(asked: Asked) -> Iterable[bytes]:
            line = (
                "a.example.org. 300 CNAME b.example.net." if asked.name[0] == "a" else "b.example.net. 300 A 192.0.2.1"
            )
            return (reply(asked, (line,), flags=int(dns.flags.AD) if asked.name in authentic else 0),)

        return behave

    for authentic in ((), ("a.example.org",), ("b.example.net",), ("a.example.org", "b.example.net")):
        rig = start(office(), Scripted(chain(*authentic)), trust_ad=True)
        for _ in range(2):
            assert bool(rig.ask(query("a.example.org", ad=True)).flags & dns.flags.AD) == (len(authentic) == 2)


def test_a_conditional_zones_word_for_authentic_data_is_not_passed_on(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [reply(asked, (f"{asked.name}. 300 A 198.51.100.10",), flags=int(dns.flags.AD))]

    inner = Scripted(behave)
    rig = start(office(), Scripted(behave), inner, conditional=[ZoneTo("corp.local", inner)], trust_ad=True)
    assert not rig.ask(query("dc1.corp.local", ad=True)).flags & dns.flags.AD
    assert rig.ask(query(NAME, ad=True)).flags & dns.flags.AD


# Real zones and a real node.

UNBANNED = "127.0.22.10"
ZONES = ("example.org", "example.net", "example.com")
"""A zone without signatures, one that denies with NSEC, and one that denies with NSEC3."""


@pytest.fixture(scope="module")
def signing() -> Iterator[Knot]:
    """Start a real authority for `ZONES`."""
    texts = {
        name: zone_text(name, website(number) + "*.wild A 198.51.100.12\n") for number, name in enumerate(ZONES, 1)
    }
    with Knot(texts, signed={"example.net": "nsec", "example.com": "nsec3"}) as server:
        yield server


@pytest.fixture(scope="module")
def signed_node(tmp_path_factory: pytest.TempPathFactory, signing: Knot) -> Iterator[Node]:
    """Start a node in front of that authority."""
    with Node(tmp_path_factory.mktemp("signed"), signing.hostport) as running:
        yield running


def sets(message: dns.message.Message) -> list[tuple[str, str, list[str]]]:
    """Return the record sets of answer and authority: owner, type, data."""
    found = message.answer + message.authority
    return sorted(
        (
            rrset.name.to_text().lower(),
            dns.rdatatype.to_text(rrset.rdtype) + dns.rdatatype.to_text(rrset.covers),
            sorted(rdata.to_text() for rdata in rrset),
        )
        for rrset in found
    )


@matrix
@each_row("zone_name", ZONES)
def test_real_zones_answer_through_a_node_as_they_do_themselves(
    signed_node: Node, signing: Knot, zone_name: str, edns: int | bool, do: bool, cd: bool, ad: bool
) -> None:
    fresh = f"n{do:d}{cd:d}{ad:d}{edns is False:d}"
    questions = (
        (f"{fresh}.wild.{zone_name}", "A"),
        (f"{fresh}.wild.{zone_name}", "AAAA"),
        (f"{fresh}.{zone_name}", "A"),
        (f"www.{zone_name}", "TXT"),
        (f"www.{zone_name}", "TYPE65400"),
        (zone_name, "DNSKEY"),
        (zone_name, "RRSIG"),
    )
    for name, qtype in questions:
        wire = query(name, qtype, edns=edns, payload=1232, do=do, cd=cd, ad=ad)
        asked = dns.message.from_wire(wire)
        direct = dns.query.tcp(
            dns.message.from_wire(query(name, qtype, do=do)), signing.address, PATIENCE_S, signing.port
        )
        for transport in (dns.query.tcp, dns.query.tcp, dns.query.udp):
            found = transport(asked, "127.0.0.1", PATIENCE_S, signed_node.port, UNBANNED)
            assert (found.rcode(), found.edns) == (direct.rcode(), -1 if edns is False else 0)
            assert bool(found.ednsflags & DO) == do
            assert found.flags & (dns.flags.AA | dns.flags.AD | dns.flags.CD) == (dns.flags.CD if cd else 0)
            if not found.flags & dns.flags.TC:
                assert sets(found) == sets(direct)
            if qtype != "RRSIG":
                assert bool(proofs(found)) == (do and (zone_name != "example.org") and not found.flags & dns.flags.TC)


@contextmanager
def serving(upstream: Scripted) -> Iterator[Scripted]:
    """Serve `upstream` in a thread while a node runs."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([upstream], [], [], 0.05)[0]:
                upstream.serve()

    thread = threading.Thread(target=serve)
    with upstream:
        thread.start()
        try:
            yield upstream
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(("config", "trusted"), [("", True), ("trust_ad = false", False)])
def test_a_node_passes_on_the_ad_bit_of_an_upstream_on_loopback_unless_configured_otherwise(
    tmp_path: Path, config: str, trusted: bool
) -> None:
    with serving(Scripted(zone(signed=True, validates=True))) as upstream:
        hostport = f"{upstream.endpoint.address}:{upstream.endpoint.port}"
        with Node(tmp_path, hostport, config=config) as node:
            for ad, do in ((False, False), (True, False), (False, True), (True, True)):
                asked = dns.message.from_wire(query(NAME, ad=ad, do=do))
                for transport in (dns.query.udp, dns.query.tcp):
                    found = transport(asked, "127.0.0.1", PATIENCE_S, node.port, UNBANNED)
                    assert data(found)[0] == "A 198.51.100.10"
                    assert bool(found.flags & dns.flags.AD) == (trusted and (ad or do))
        sent = [dns.message.from_wire(asked.message) for asked in upstream.asked]
        assert {bool(message.flags & dns.flags.AD) for message in sent} == {trusted}
