"""Rebinding protection: no client gets a private address for a public name, unless the configuration allows it."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import LocalRecord, Rebinding
from dnsfilter.policy.model import Term
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import REBINDING_BLOCKED
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, data, edes, query, ttls
from tests.support.policies import NOW, ban
from tests.support.scripted import Asked, Scripted, fails, reply, says
from tests.support.starting import Start

NAME = "rebind.example.com"
PROTECTED = Rebinding(True)
EXPLAINED = [(17, "private address in a public name")]
PRIVATE_V4 = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.0.0.53",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
)  # fmt: skip
PUBLIC_V4 = (
    "1.0.0.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.51.100.1",
)  # fmt: skip
PRIVATE_V6 = (
    "::", "::1", "::10.0.0.1", "::ffff:192.168.1.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "fc00::1", "fd12:3456::1",
    "fe80::1", "febf::1", "fec0::1", "feff::1",
)  # fmt: skip
PUBLIC_V6 = (
    "::8.8.8.8", "::ffff:198.51.100.1", "64:ff9b::198.51.100.1", "64:ff9b:1::10.0.0.1", "2001:db8::10.0.0.1",
    "fbff::1", "fe00::1", "fe7f::1", "ff02::1",
)  # fmt: skip


def upstream_of(*records: str, qtype: str = "A", name: str = NAME) -> Scripted:
    return Scripted(says({(name, qtype): records}))


def blocked(rig: Rig) -> int:
    return int(rig.counters.slots[REBINDING_BLOCKED])


def is_withheld(found: dns.message.Message) -> bool:
    return not data(found) and edes(found) == EXPLAINED


@pytest.mark.parametrize(("qtype", "addresses", "expected"), [
    ("A", PRIVATE_V4, True), ("A", PUBLIC_V4, False), ("AAAA", PRIVATE_V6, True), ("AAAA", PUBLIC_V6, False),
])  # fmt: skip
def test_private_addresses_are_withheld_and_public_ones_pass(
    start: Start, qtype: str, addresses: tuple[str, ...], expected: bool
) -> None:
    names = {f"n{number}.example.com": address for number, address in enumerate(addresses)}
    records = {(name, qtype): (f"{name}. 300 {qtype} {address}",) for name, address in names.items()}
    rig = start(office(), Scripted(says(records)), rebinding=PROTECTED)
    found = {address: is_withheld(rig.ask(query(name, qtype))) for name, address in names.items()}
    assert found == dict.fromkeys(addresses, expected)
    again = {address: is_withheld(rig.at_once(query(name, qtype))) for name, address in names.items()}
    assert again == found
    assert blocked(rig) == 2 * len(addresses) * expected


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_withheld_answer_is_empty_and_kept_for_ten_seconds(start: Start, transport: Transport) -> None:
    rig = start(office(), upstream_of(f"{NAME}. 300 A 192.168.0.1"), rebinding=PROTECTED)
    for found in (rig.ask(query(NAME, ad=True), GHENT, transport), rig.at_once(query(NAME), later_s=60)):
        assert found.rcode() == dns.rcode.NOERROR
        assert found.flags & (dns.flags.AD | dns.flags.AA | dns.flags.TC) == 0
        assert edes(found) == EXPLAINED
        assert [rrset.name.to_text() for rrset in found.authority] == [f"{NAME}."]
        assert ttls(found) == [10]
    assert not rig.at_once(query(NAME, edns=False)).options
    assert rig.forwarded == [(NAME, "A")]
    assert rig.outcomes() == {(transport.value, "forwarded"): 1, ("udp", "cached"): 2}
    assert rig.responses() == {"NOERROR": 3}
    assert blocked(rig) == 3


def test_one_private_address_among_public_ones_is_enough(start: Start) -> None:
    records = tuple(f"{NAME}. 300 A {address}" for address in ("198.51.100.1", "192.168.0.1", "198.51.100.2"))
    rig = start(office(), upstream_of(*records), rebinding=PROTECTED)
    assert is_withheld(rig.ask(query(NAME)))


def test_the_asked_name_counts_not_the_alias(start: Start) -> None:
    alias = (f"{NAME}. 300 CNAME fs.corp.example.org.", "fs.corp.example.org. 300 A 10.1.2.3")
    rig = start(
        office(),
        Scripted(says({(NAME, "A"): alias, ("fs.corp.example.org", "A"): alias[1:]})),
        rebinding=Rebinding(True, (parse_name("corp.example.org"),)),
    )
    assert is_withheld(rig.ask(query(NAME)))
    assert data(rig.ask(query("fs.corp.example.org"))) == ["A 10.1.2.3"]
    assert data(rig.at_once(query("FS.Corp.example.org"))) == ["A 10.1.2.3"]
    assert blocked(rig) == 1


@pytest.mark.parametrize("hint", ["ipv4hint=10.0.0.1", "ipv4hint=198.51.100.1,10.0.0.1", "ipv6hint=fd00::1"])
@pytest.mark.parametrize("qtype", ["HTTPS", "SVCB"])
def test_hints_of_service_bindings_count(start: Start, qtype: str, hint: str) -> None:
    rig = start(office(), upstream_of(f"{NAME}. 300 {qtype} 1 . alpn=h2 {hint}", qtype=qtype), rebinding=PROTECTED)
    assert is_withheld(rig.ask(query(NAME, qtype)))


def test_service_bindings_without_private_hints_pass(start: Start) -> None:
    text = "1 other.example.com. alpn=h2 ipv4hint=198.51.100.1 ipv6hint=2001:db8::1"
    rig = start(office(), upstream_of(f"{NAME}. 300 HTTPS {text}", qtype="HTTPS"), rebinding=PROTECTED)
    assert len(data(rig.ask(query(NAME, "HTTPS")))) == 1
    assert blocked(rig) == 0


def test_without_protection_and_for_exempt_names_private_addresses_pass(start: Start) -> None:
    for rebinding in (Rebinding(), Rebinding(True, (parse_name("example.com"),))):
        rig = start(office(), upstream_of(f"{NAME}. 300 A 10.0.0.1"), rebinding=rebinding)
        assert data(rig.ask(query(NAME))) == ["A 10.0.0.1"]
        assert data(rig.at_once(query(NAME))) == ["A 10.0.0.1"]
        assert blocked(rig) == 0


def test_conditional_zones_and_records_may_be_private(start: Start) -> None:
    inside = upstream_of("fs.corp.example. 300 A 10.0.0.1", name="fs.corp.example")
    record = LocalRecord(parse_name("printer.example.com"), int(Type.A), 300, bytes((10, 0, 0, 9)))
    rig = start(
        office(),
        upstream_of(f"{NAME}. 300 A 10.0.0.1"),
        inside,
        conditional=[ZoneTo("corp.example", inside)],
        records=[record],
        rebinding=PROTECTED,
    )
    assert data(rig.ask(query("fs.corp.example"))) == ["A 10.0.0.1"]
    assert data(rig.at_once(query("printer.example.com"))) == ["A 10.0.0.9"]
    assert data(rig.at_once(query("localhost"))) == ["A 127.0.0.1"]
    assert is_withheld(rig.ask(query(NAME)))


def test_a_public_alias_of_a_name_inside_is_withheld(start: Start) -> None:
    inside = upstream_of("fs.corp.example. 300 A 10.0.0.1", name="fs.corp.example")
    rig = start(
        office(),
        upstream_of(f"{NAME}. 300 CNAME fs.corp.example."),
        inside,
        conditional=[ZoneTo("corp.example", inside)],
        rebinding=PROTECTED,
    )
    assert is_withheld(rig.ask(query(NAME)))


def test_private_addresses_of_the_additional_section_are_left_out(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        mail = (f"{NAME}. 300 MX 10 mail.example.com.",)
        return [reply(asked, mail, (), ("mail.example.com. 300 A 10.0.0.25",))]

    for rebinding, additional in ((PROTECTED, 0), (Rebinding(), 1)):
        rig = start(office(), Scripted(behave), rebinding=rebinding)
        for found in (rig.ask(query(NAME, "MX")), rig.at_once(query(NAME, "MX"))):
            assert data(found) == ["MX 10 mail.example.com."]
            assert len(found.additional) == additional


def test_a_ban_refuses_before_an_answer_is_withheld(start: Start) -> None:
    policy = office()
    rig = start(policy, upstream_of("www.tiktok.com. 300 A 10.0.0.1", name="www.tiktok.com"), rebinding=PROTECTED)
    assert is_withheld(rig.ask(query("www.tiktok.com"), MECHELEN))
    assert rig.at_once(query("www.tiktok.com"), GHENT).rcode() == dns.rcode.REFUSED
    assert blocked(rig) == 1


def test_a_stale_answer_is_withheld_too(start: Start) -> None:
    upstream = upstream_of(f"{NAME}. 60 A 10.0.0.1")
    rig = start(office(), upstream, rebinding=PROTECTED)
    rig.ask(query(NAME))
    upstream.behave = fails(2)
    rig.pass_time(61_000)
    assert is_withheld(rig.ask(query(NAME)))


def test_the_reply_ends_with_the_clients_next_change(start: Start) -> None:
    policy = office(ban(9, "mechelen", "tiktok", terms=(Term(NOW + 5, None),)))
    rig = start(policy, upstream_of("www.tiktok.com. 300 A 10.0.0.1", name="www.tiktok.com"), rebinding=PROTECTED)
    assert ttls(rig.ask(query("www.tiktok.com"), MECHELEN)) == [5]
    assert ttls(rig.at_once(query("www.tiktok.com"), MECHELEN)) == [5]
