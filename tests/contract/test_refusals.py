"""Replies to refused clients: each kind of reply, for domains, hosts and targets, and their extended errors."""

from dataclasses import replace
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from dnsfilter.engine.interface import Reply as Answer
from dnsfilter.policy.model import Reply, Suspension
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, RECORDS, REFERENCE, TARGETS, TIKTOK, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, data, edes, query
from tests.support.policies import NOW, authority, ban, exemption, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

V4, V6 = "192.0.2.80", "2001:db8::80"


def soa(message: dns.message.Message) -> tuple[str, int, int] | None:
    """Return owner, TTL and MINIMUM of the SOA in the authority section."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return rrset.name.to_text(omit_final_dot=True).lower(), rrset.ttl, rrset[0].minimum
    return None


def shape(message: dns.message.Message) -> tuple[str, list[str], Any]:
    return dns.rcode.to_text(message.rcode()), data(message), soa(message)


@each_row("transport", tuple(Transport))
@each_row(
    ("reply", "name", "qtype", "expected"),
    [
        (Reply.REFUSED, "www.tiktok.com", "A", ("REFUSED", [], None)),
        (Reply.REFUSED, "api.example.net", "A", ("REFUSED", [], None)),
        (Reply.REFUSED, "video.example.org", "A", ("REFUSED", [], None)),
        (Reply.NXDOMAIN, "a.www.tiktok.com", "A", ("NXDOMAIN", [], ("tiktok.com", 10, 10))),
        (Reply.NXDOMAIN, "tiktok.com", "HTTPS", ("NXDOMAIN", [], ("tiktok.com", 10, 10))),
        (Reply.NXDOMAIN, "api.example.net", "A", ("NOERROR", [], ("api.example.net", 10, 10))),
        (Reply.NXDOMAIN, "video.example.org", "A", ("NOERROR", [], ("video.example.org", 10, 10))),
        (Reply.NODATA, "a.www.tiktok.com", "A", ("NOERROR", [], ("tiktok.com", 10, 10))),
        (Reply.NODATA, "api.example.net", "TXT", ("NOERROR", [], ("api.example.net", 10, 10))),
        (Reply.NODATA, "video.example.org", "A", ("NOERROR", [], ("video.example.org", 10, 10))),
        (Reply.ADDRESS, "www.tiktok.com", "A", ("NOERROR", [f"A {V4}"], None)),
        (Reply.ADDRESS, "www.tiktok.com", "AAAA", ("NOERROR", [f"AAAA {V6}"], None)),
        (Reply.ADDRESS, "api.example.net", "A", ("NOERROR", [f"A {V4}"], None)),
        (Reply.ADDRESS, "video.example.org", "A", ("NOERROR", [f"A {V4}"], None)),
        (Reply.ADDRESS, "www.tiktok.com", "HTTPS", ("NOERROR", [], ("tiktok.com", 10, 10))),
        (Reply.ADDRESS, "svc.example.org", "HTTPS", ("NOERROR", [], ("svc.example.org", 10, 10))),
    ],
)
def test_each_kind_of_reply(
    start: Start, reply: Reply, name: str, qtype: str, expected: Any, transport: Transport
) -> None:
    rig = start(office(reply=reply, addresses=(V4, V6)), internet())
    for _ in range(2):  # once from upstream, once from cache
        answer = rig.ask(query(name, qtype), transport=transport)
        assert shape(answer) == expected
        assert not answer.flags & (dns.flags.AA | dns.flags.AD | dns.flags.TC)
        codes = [code for code, _ in edes(answer)]
        assert codes == ([15, 4] if expected[1] else [15])


def test_nxdomain_ban_on_a_host_does_not_deny_the_names_below_it(start: Start) -> None:
    host_above = service("tiktok", (), ("example.net",))
    rig = start(policy(*NETWORKS, host_above, ban(1, "ghent", "tiktok", reply=Reply.NXDOMAIN)), internet())
    assert shape(rig.at_once(query("example.net"))) == ("NOERROR", [], ("example.net", 10, 10))


def test_address_reply_has_every_address_of_the_type(start: Start) -> None:
    rig = start(office(reply=Reply.ADDRESS, addresses=(V4, "192.0.2.81", V6)), internet())
    assert sorted(data(rig.at_once(query("www.tiktok.com")))) == [f"A {V4}", "A 192.0.2.81"]


def test_an_address_reply_without_an_address_of_the_type_has_no_data(start: Start) -> None:
    rig = start(office(reply=Reply.ADDRESS, addresses=(V4,)), internet())
    reply = rig.at_once(query("www.tiktok.com", "AAAA"))
    assert shape(reply) == ("NOERROR", [], ("tiktok.com", 10, 10))
    assert [code for code, _ in edes(reply)] == [15]


def test_address_reply_is_only_for_class_in(start: Start) -> None:
    rig = start(office(reply=Reply.ADDRESS, addresses=(V4, V6)), internet())
    assert rig.at_once(query("www.tiktok.com", "A", "CH")).answer == []


@each_row(("name", "qtype"), TARGETS)
def test_every_alias_of_a_banned_name_is_refused(start: Start, name: str, qtype: str) -> None:
    rig = start(office(), internet())
    for transport in (Transport.UDP, Transport.TCP, Transport.UDP):
        reply = rig.ask(query(name, qtype), transport=transport)
        assert shape(reply) == ("REFUSED", [], None)
        assert reply.additional == []
    assert len(rig.forwarded) == 1


def test_records_outside_the_chain_are_dropped_and_cause_no_refusal(start: Start) -> None:
    lines = ("plain.example.org. 300 A 198.51.100.10", "www.tiktok.com. 300 A 192.0.2.100")
    rig = start(office(), Scripted(says({("plain.example.org", "A"): lines, **_www()})))
    assert data(rig.ask(query("plain.example.org"))) == ["A 198.51.100.10"]
    rig.ask(query("www.tiktok.com"), MECHELEN)
    assert rig.forwarded == [("plain.example.org", "A"), ("www.tiktok.com", "A")]


def _www() -> dict[tuple[str, str], tuple[str, ...]]:
    return {("www.tiktok.com", "A"): RECORDS["www.tiktok.com", "A"]}


def test_own_ban_is_reported_as_blocked_and_a_bound_one_as_censored(start: Start) -> None:
    rig = start(office(), internet())
    own, bound = (edes(rig.at_once(query("www.tiktok.com"), client)) for client in (GHENT, BOUND))
    assert own == [(15, f"{REFERENCE}; ict@ghent.example.org; Tiktok geblokkeerd door GHENT")]
    assert bound == [(16, f"{REFERENCE}; ict@police.example.org; Tiktok geblokkeerd door GHENT")]


def test_text_has_every_language_that_fits(start: Start) -> None:
    speaking = authority("ghent", ("nl", "fr", "de", "en"))
    rig = start(office(speaking), internet())
    ((code, text),) = edes(rig.at_once(query("www.tiktok.com")))
    assert code == 15
    assert text.startswith(f"{REFERENCE}; ict@ghent.example.org; Tiktok geblokkeerd door GHENT; Tiktok bloqué par")
    assert len(text.encode()) <= 128


READS_JSON = (dns.edns.EDEOption(dns.edns.EDECode.OTHER),)
"""What a client sends that reads refusals as JSON."""
IN_A_DATABASE = replace(authority("ghent"), public_register=True, filtering_database="ghent")
AS_JSON = f'"fdbs":[{{"db":"ghent","id":"{REFERENCE}"}}]}}'


@each_row("transport", tuple(Transport))
@each_row(
    ("kind_of_reply", "name", "qtype"),
    [
        *((reply, name, "A") for reply in Reply for name in ("www.tiktok.com", "video.example.org")),
        (Reply.ADDRESS, "www.tiktok.com", "HTTPS"),
    ],
)
def test_client_that_reads_json_gets_the_entry_of_the_register(
    start: Start, kind_of_reply: Reply, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(office(IN_A_DATABASE, reply=kind_of_reply, addresses=(V4,)), internet())
    for _ in range(2):
        own, bound = (
            edes(rig.ask(query(name, qtype, options=READS_JSON), client, transport=transport))
            for client in (GHENT, BOUND)
        )
        assert own == [(15, '{"c":["mailto:ict@ghent.example.org"],"s":5,' + AS_JSON)]
        assert bound == [(16, '{"c":["mailto:ict@police.example.org"],' + AS_JSON)]
    plain = edes(rig.ask(query(name, qtype), transport=transport))
    assert plain[0] == (15, f"{REFERENCE}; ict@ghent.example.org; Tiktok geblokkeerd door GHENT")


@each_row(
    "message",
    [
        query("www.tiktok.com", rd=False, options=READS_JSON),
        query("www.tiktok.com", "A", "CH", options=READS_JSON),
    ],
)
def test_unusual_query_gets_json_too(start: Start, message: bytes) -> None:
    ((_, text),) = edes(start(office(IN_A_DATABASE), internet()).at_once(message))
    assert text.endswith(AS_JSON)


@each_row(
    "options",
    [
        [dns.edns.GenericOption(dns.edns.OptionType.PADDING, b"")] * 32 + list(READS_JSON),
        [dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(15))],
    ],
)
def test_client_that_does_not_ask_for_json_gets_the_text_for_people(
    start: Start, options: list[dns.edns.Option]
) -> None:
    rig = start(office(IN_A_DATABASE, reply=Reply.ADDRESS, addresses=(V4,)), internet())
    own, forged = edes(rig.at_once(query("www.tiktok.com", options=options)))
    assert own == (15, f"{REFERENCE}; ict@ghent.example.org; Tiktok geblokkeerd door GHENT")
    assert forged == (4, "")


def test_refusal_of_an_authority_in_no_database_is_for_people(start: Start) -> None:
    rig = start(office(reply=Reply.ADDRESS, addresses=(V4,)), internet())
    reply = edes(rig.at_once(query("www.tiktok.com", options=READS_JSON)))
    assert reply == edes(rig.at_once(query("www.tiktok.com")))


@each_row("kind_of_reply", tuple(Reply))
@each_row("payload", [0, 512, 1232])
def test_lack_of_room_drops_the_json_and_never_truncates(start: Start, kind_of_reply: Reply, payload: int) -> None:
    addresses = tuple(f"192.0.2.{number}" for number in range(1, 15))
    rig = start(office(IN_A_DATABASE, reply=kind_of_reply, addresses=addresses), internet())
    for length in range(0, 243, 9):
        message = query(_long("tiktok.com", length), payload=payload, options=READS_JSON)
        reply = rig.at_once(message)
        assert not reply.flags & dns.flags.TC
        assert all(code == 15 and (not text or text.endswith(AS_JSON)) for code, text in edes(reply))


@each_row("kind_of_reply", tuple(Reply))
@each_row("payload", [0, 512, 1232, 65535])
def test_lack_of_room_drops_the_text_then_the_option_and_never_truncates(
    start: Start, kind_of_reply: Reply, payload: int
) -> None:
    addresses = tuple(f"192.0.2.{number}" for number in range(1, 15))
    rig = start(office(authority("ghent", ("nl", "fr")), reply=kind_of_reply, addresses=addresses), internet())
    seen = set()
    for length in range(0, 243, 3):
        name = _long("tiktok.com", length)
        found = rig.judge(query(name, payload=payload))
        assert isinstance(found, Answer)
        assert len(found.message) <= max(payload, 512)
        reply = dns.message.from_wire(found.message)
        assert not reply.flags & dns.flags.TC
        assert reply.edns == 0
        seen.add(tuple((code, bool(text)) for code, text in edes(reply)))
    if payload > 512:
        assert seen == {((15, True), (4, False)) if kind_of_reply is Reply.ADDRESS else ((15, True),)}
    elif kind_of_reply is Reply.ADDRESS:
        assert {((15, False), (4, False)), ()} <= seen
    else:
        assert ((15, True),) in seen


def _long(suffix: str, size: int) -> str:
    """Return `suffix` with labels of about `size` bytes before it."""
    labels = []
    while size > 1:
        labels.append("x" * min(size - 1, 50))
        size -= len(labels[-1]) + 1
    return ".".join([*labels, suffix])


def test_only_banned_clients_see_a_refusal_or_its_option(start: Start) -> None:
    rig = start(office(reply=Reply.NXDOMAIN), internet())
    for client in (MECHELEN, DIEST):
        reply = rig.ask(query("www.tiktok.com"), client)
        assert (data(reply), edes(reply), soa(reply)) == (["A 192.0.2.100"], [], None)


def test_an_exempted_or_suspended_client_is_answered(start: Start) -> None:
    exempted = exemption(1, 1, ["127.0.5.0/24"])
    suspended = Suspension("ghent", NOW - 60, NOW + 60)
    for thing in (exempted, suspended):
        rig = start(office(thing), internet())
        assert data(rig.ask(query("www.tiktok.com"))) == ["A 192.0.2.100"]


def test_refusal_names_the_question_before_a_target(start: Start) -> None:
    lines = ("www.tiktok.com. 300 CNAME a.b.cdn.example.net.", "a.b.cdn.example.net. 300 A 192.0.2.1")
    rig = start(office(reply=Reply.NODATA), Scripted(says({("www.tiktok.com", "A"): lines})))
    rig.ask(query("www.tiktok.com"), MECHELEN)
    assert soa(rig.at_once(query("www.tiktok.com"))) == ("tiktok.com", 10, 10)


def test_block_by_the_upstream_is_not_relayed_as_our_own(start: Start) -> None:
    def blocking(asked: Any) -> list[bytes]:
        response = dns.message.make_response(dns.message.from_wire(asked.message))
        response.set_rcode(dns.rcode.NXDOMAIN)
        response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.BLOCKED, "blocked by the upstream")])
        return [response.to_wire()]

    rig = start(office(), Scripted(blocking))
    reply = rig.ask(query("plain.example.org"))
    assert (reply.rcode(), edes(reply)) == (dns.rcode.NXDOMAIN, [])


def test_a_policy_without_bans_refuses_nothing(start: Start) -> None:
    rig = start(policy(*NETWORKS, TIKTOK), internet())
    assert data(rig.ask(query("video.example.org"))) == ["CNAME www.tiktok.com.", "A 192.0.2.100"]


@each_row("kind_of_reply", [Reply.NXDOMAIN, Reply.NODATA])
def test_soa_of_a_refusal_has_the_class_of_the_question(start: Start, kind_of_reply: Reply) -> None:
    rig = start(office(reply=kind_of_reply), internet())
    (soa,) = rig.at_once(query("www.tiktok.com", qclass="HS")).authority
    assert (soa.rdtype, soa.rdclass) == (dns.rdatatype.SOA, dns.rdataclass.HS)
