"""No client is refused a name that its bans do not cover, or sees the refusal of another client."""

from collections.abc import Sequence
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype

from dnsfilter.engine.interface import Miss
from dnsfilter.policy.model import Audience, Binding, Funding, Ground, Mode, Policy, Reply, Suspension, Term, Tier
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, RECORDS, TIKTOK, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, Rig, data, edes, query, ttls
from tests.support.policies import NOW, ban, exemption, network, policy, service, wire
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, says
from tests.support.scripted import reply as answering
from tests.support.starting import Start

ADDRESSES = ("192.0.2.80", "2001:db8::80")
EVERY = list(RECORDS)
"""Every question that the shared upstream can answer."""
ABSENT = [("missing.example.org", "A"), ("plain.example.org", "AAAA")]
OTHERS = (MECHELEN, DIEST)


def unbanned() -> Policy:
    """Return a policy with the same networks and services and without bans."""
    return policy(*NETWORKS, TIKTOK)


def raw(rig: Rig, message: bytes, client: str, transport: Transport) -> bytes:
    found = rig.ask(message, client, transport).wire
    assert found is not None
    return found


# Answers to other clients.


@each_row("reply", tuple(Reply))
@each_row("transport", tuple(Transport))
def test_whom_no_ban_concerns_gets_the_same_answer_as_without_bans_but_for_its_ttl(
    start: Start, reply: Reply, transport: Transport
) -> None:
    with_bans = start(office(reply=reply, addresses=ADDRESSES), internet())
    without = start(unbanned(), internet())
    for key in (*EVERY, *ABSENT):
        message = query(*key, id=7)
        for client in OTHERS:
            raw(with_bans, message, GHENT, transport)
            for _ in range(2):
                mine, plain = (raw(rig, message, client, transport) for rig in (with_bans, without))
                got = dns.message.from_wire(mine)
                if "tiktok" in plain.decode("latin-1"):
                    assert all(ttl <= 60 for ttl in ttls(got))
                    assert dns.message.from_wire(plain) == got
                    assert data(dns.message.from_wire(plain)) == data(got)
                else:
                    assert mine == plain
                assert edes(got) == []


@each_row("reply", tuple(Reply))
def test_no_soa_address_or_error_of_a_refusal_reaches_another_client(start: Start, reply: Reply) -> None:
    rig = start(office(reply=reply, addresses=ADDRESSES), internet())
    for key in EVERY:
        for _ in range(2):
            rig.ask(query(*key), GHENT)
            for client in OTHERS:
                found = rig.ask(query(*key), client)
                assert (found.rcode(), edes(found), found.authority) == (dns.rcode.NOERROR, [], [])
                assert not any(address in line for line in data(found) for address in ADDRESSES)


# Names.


@each_row(
    ("qtype", "lines"),
    [
        ("MX", ("plain.example.org. 300 MX 10 www.tiktok.com.",)),
        ("NS", ("plain.example.org. 300 NS www.tiktok.com.",)),
        ("SRV", ("plain.example.org. 300 SRV 1 1 443 www.tiktok.com.",)),
        ("PTR", ("plain.example.org. 300 PTR www.tiktok.com.",)),
        ("TXT", ('plain.example.org. 300 TXT "www.tiktok.com"',)),
        ("URI", ('plain.example.org. 300 URI 1 1 "https://www.tiktok.com/"',)),
        ("NAPTR", ('plain.example.org. 300 NAPTR 1 1 "s" "x" "" www.tiktok.com.',)),
        ("SOA", ("plain.example.org. 300 SOA www.tiktok.com. h.tiktok.com. 1 2 3 4 5",)),
        ("HTTPS", ("plain.example.org. 300 HTTPS 1 . alpn=h2",)),
        ("HTTPS", ("plain.example.org. 300 HTTPS 1 nottiktok.com. alpn=h2",)),
        ("CNAME", ("plain.example.org. 300 CNAME www.tiktok.com.evil.org.",)),
    ],
)
def test_a_record_that_leads_no_browser_to_a_banned_name_is_passed_on(
    start: Start, qtype: str, lines: Sequence[str]
) -> None:
    rig = start(office(), Scripted(says({("plain.example.org", qtype): lines})))
    for _ in range(2):
        found = rig.ask(query("plain.example.org", qtype))
        assert found.rcode() == dns.rcode.NOERROR
        assert len(data(found)) == 1
        assert edes(found) == []


def test_banned_names_outside_the_chain_refuse_nothing(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [
            answering(
                asked,
                (f"{asked.name}. 300 A 198.51.100.10", "other.example.org. 300 CNAME www.tiktok.com."),
                ("tiktok.com. 300 NS www.tiktok.com.",),
                ("www.tiktok.com. 300 A 192.0.2.100",),
            )
        ]

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        found = rig.ask(query("plain.example.org"))
        assert (data(found), edes(found)) == (["A 198.51.100.10"], [])


# Clients and times.

WIFI = "127.0.25.10"
CITY = (*NETWORKS, network("127.0.25.0/24", "ghent", Funding.PRIVATE, Audience.PUBLIC))
LATER_TIER = service("tiktok", ("other.example.org",), (), Tier(3, wire("tiktok.com")))
NOT_BANNED: dict[str, tuple[Policy, str]] = {
    "another authority's client": (office(), MECHELEN),
    "a ban that is off": (policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok", Mode.OFF)), GHENT),
    "a ban that monitors": (policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok", Mode.MONITOR)), GHENT),
    "a term that has ended": (policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(0, NOW),))), GHENT),
    "a term that is to come": (policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(NOW + 1),))), GHENT),
    "a network that the ban does not cover": (policy(*CITY, TIKTOK, ban(1, "ghent", "tiktok")), WIFI),
    "a tier that the ban leaves out": (
        policy(*NETWORKS, LATER_TIER, ban(1, "ghent", "tiktok", tiers=frozenset({1}))),
        GHENT,
    ),
    "an exempted range": (office(exemption(1, 1, ["127.0.5.0/24"])), GHENT),
    "a suspended authority": (office(Suspension("ghent", NOW - 60, NOW + 60)), GHENT),
    "everybody suspended": (office(Suspension(None, NOW - 60, NOW + 60)), BOUND),
    "a binding that has ended": (
        policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok"), Binding(1, 1, "police", Ground.LAW, 0, NOW)),
        BOUND,
    ),
    "an agreement that nobody accepted": (
        policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok"), Binding(1, 1, "police", Ground.AGREEMENT, 0)),
        BOUND,
    ),
    "a ban on another service": (
        policy(*NETWORKS, TIKTOK, service("capcut", ("capcut.com",)), ban(1, "ghent", "capcut")),
        GHENT,
    ),
}


@each_row(("in_force", "client"), NOT_BANNED.values(), ids=list(NOT_BANNED))
@each_row("transport", tuple(Transport))
def test_who_is_not_banned_is_answered(start: Start, in_force: Policy, client: str, transport: Transport) -> None:
    rig = start(in_force, internet())
    for key in EVERY:
        for _ in range(2):
            found = rig.ask(query(*key), client, transport)
            assert found.rcode() == dns.rcode.NOERROR
            assert len(data(found)) == len(RECORDS[key])
            assert edes(found) == []


def test_a_service_without_a_ban_lowers_no_ttl(start: Start) -> None:
    rig = start(unbanned(), internet())
    for key in EVERY:
        assert set(ttls(rig.ask(query(*key)))) == {300}


@each_row("before", tuple(Reply))
def test_when_a_ban_ends_nothing_of_it_is_left(start: Start, before: Reply) -> None:
    terms: Any = (Term(0, NOW + 30),)
    rig = start(office(reply=before, addresses=ADDRESSES, terms=terms), internet())
    keys = [key for key in EVERY if key[0] != "plain.example.org"]
    for key in keys:
        assert edes(rig.ask(query(*key)))[0][0] == 15
    rig.pass_time(30_000)
    for key in keys:
        found = rig.ask(query(*key))
        assert (found.rcode(), edes(found), found.authority) == (dns.rcode.NOERROR, [], [])
        assert found.answer


def test_a_registered_client_is_never_called_unregistered(start: Start) -> None:
    rig = start(office(), internet())
    for edge in ("127.0.5.0", "127.0.5.255", "127.0.7.0", "127.0.14.255"):
        assert isinstance(rig.judge(query("plain.example.org"), edge), Miss)
    for extra in ("127.0.4.255", "127.0.6.0", "127.0.13.255", "127.0.15.0"):
        assert edes(rig.at_once(query("plain.example.org"), extra)) == [(18, "")]
