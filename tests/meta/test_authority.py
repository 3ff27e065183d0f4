"""The real authoritative server, the zones it serves, and dig's answers as values."""

from collections.abc import Iterator

import pytest

from tests.support.authority import Knot
from tests.support.digging import NoAnswer, dig
from tests.support.zones import OFFICE_ZONES, ZONES, zone


@pytest.fixture(scope="module")
def server() -> Iterator[Knot]:
    with Knot({**ZONES, **OFFICE_ZONES}) as knot:
        yield knot


@pytest.mark.parametrize("name", [*ZONES, *OFFICE_ZONES])
def test_every_zone_is_served_with_authority(server: Knot, name: str) -> None:
    soa = dig(name, "SOA", server=server.address, port=server.port)
    assert soa.rcode == "NOERROR"
    assert "aa" in soa.flags
    assert soa.rdata("SOA") == [f"ns.{name}. hostmaster.{name}. 2023031000 3600 600 86400 60"]


@pytest.mark.parametrize(
    ("name", "qtype", "rdata"),
    [
        ("tiktok.com", "A", ["192.0.2.100"]),
        ("tiktok.com", "AAAA", ["2001:db8::100"]),
        ("tiktok.com", "HTTPS", ['1 . alpn="h2,h3" ipv4hint=192.0.2.100']),
        ("tiktok.com", "TXT", ['"v=spf1 -all"']),
        ("tiktok.com", "MX", ["10 mail.tiktok.com."]),
        ("tiktok.com", "NS", ["ns.tiktok.com."]),
        ("tiktok.com", "DS", []),
        ("alias-mode.example.org", "HTTPS", ["0 www.tiktok.com."]),
        ("201.2.0.192.in-addr.arpa", "PTR", ["dc1.corp.local."]),
        ("_kerberos._tcp.dc._msdcs.corp.local", "SRV", ["0 100 88 dc1.corp.local."]),
    ],
)
def test_the_zones_hold_what_tests_ask_for(server: Knot, name: str, qtype: str, rdata: list[str]) -> None:
    answer = dig(name, qtype, server=server.address, port=server.port)
    assert (answer.rcode, answer.rdata(qtype)) == ("NOERROR", rdata)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("video.example.org", ["www.tiktok.com."]),
        ("hop1.example.org", ["hop2.example.org.", "hop3.example.net."]),
        ("hop3.example.net", ["www.tiktok.com."]),
        ("c1.example.net", ["c2.example.org."]),
        ("c11.example.net", ["c12.example.org."]),
        ("www.tree.example.org", ["www.tiktok.com."]),
    ],
)
def test_a_chain_stops_where_another_zone_begins(server: Knot, name: str, targets: list[str]) -> None:
    answer = dig(name, "A", server=server.address, port=server.port)
    assert answer.rdata("CNAME") == targets
    assert answer.rdata("A") == []


def test_a_missing_name_brings_the_soa_for_negative_caching(server: Knot) -> None:
    answer = dig("missing.example.net", "A", server=server.address, port=server.port)
    assert answer.rcode == "NXDOMAIN"
    assert [(record.type, record.ttl_s) for record in answer.authority] == [("SOA", 60)]


def test_the_big_set_is_truncated_over_udp_and_whole_over_tcp(server: Knot) -> None:
    truncated = dig("big.example.org", "TXT", server=server.address, port=server.port, extra=["+ignore"])
    whole = dig("big.example.org", "TXT", server=server.address, port=server.port)
    assert ("tc" in truncated.flags, truncated.transport) == (True, "udp")
    assert (len(whole.rdata("TXT")), whole.transport) == (10, "tcp")


def test_dig_asks_from_the_address_it_is_told(server: Knot) -> None:
    answer = dig("plain.example.org", server=server.address, port=server.port, bind="127.0.5.10")
    assert "-b 127.0.5.10" in answer.raw
    assert answer.answers[0] == ("plain.example.org.", 300, "A", "198.51.100.10")


def test_a_server_can_fail_and_return_at_its_port() -> None:
    with Knot({"example.org": ZONES["example.org"]}) as knot:
        knot.stop()
        with pytest.raises(NoAnswer, match=r"refused|timed out|no servers"):
            dig("plain.example.org", server=knot.address, port=knot.port, timeout_s=1)
        knot.start()
        assert dig("plain.example.org", server=knot.address, port=knot.port).rcode == "NOERROR"


def test_a_server_that_cannot_serve_a_zone_says_why() -> None:
    with pytest.raises(RuntimeError, match="nonsense"), Knot({"nonsense": zone("nonsense", "@ A not-an-address\n")}):
        pytest.fail("a broken zone was served")
