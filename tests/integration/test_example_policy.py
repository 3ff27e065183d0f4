"""The example policy on a running resolver. A real dig asks from an address of each network."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.support.dig import DigResult
from tests.support.knot import Knot
from tests.support.nodes import Node

TYPES = ("A", "AAAA", "HTTPS", "TXT", "MX", "NS", "SOA", "DS", "ANY")
REFUSED = {
    "127.0.0.1": 15,
    "127.0.1.10": 15,
    "127.0.2.10": 15,
    "127.0.12.10": 15,
    "127.0.3.10": 15,
    "127.0.14.10": 16,
    "127.0.5.10": 15,
    "127.0.7.10": 15,
    "127.0.99.10": 18,
}
ANSWERED = ("127.0.22.10", "127.0.4.10", "127.0.25.10", "127.0.8.77")
HAS_DATA = frozenset({"A", "AAAA", "HTTPS", "TXT", "MX"})


@pytest.mark.parametrize("qtype", TYPES)
@pytest.mark.parametrize(("client", "ede"), REFUSED.items())
def test_tiktok_is_refused_for_every_type_with_the_reason(node: Node, client: str, ede: int, qtype: str) -> None:
    result = node.dig("www.tiktok.com", qtype, bind=client)
    assert (result.rcode, [error.code for error in result.ede]) == ("REFUSED", [ede])
    assert result.answers == result.authority == ()
    assert "ra" in result.flags
    assert not {"aa", "ad", "tc"} & result.flags


@pytest.mark.parametrize("qtype", TYPES)
@pytest.mark.parametrize("client", ANSWERED)
def test_tiktok_is_answered_for_every_type(node: Node, client: str, qtype: str) -> None:
    result = node.dig("www.tiktok.com", qtype, bind=client)
    assert (result.rcode, result.ede) == ("NOERROR", ())
    assert all(record.ttl_s <= 60 for record in (*result.answers, *result.authority))
    if qtype in HAS_DATA:
        assert result.rdata(qtype)


def test_answered_means_the_authority_s_own_records(node: Node, authority: Knot) -> None:
    assert node.dig("www.tiktok.com", "A", bind="127.0.22.10").rdata("A") == ["192.0.2.100"]


def test_promotion_network_of_ghent_is_answered_in_its_hours_only(node: Node) -> None:
    before = _in_hours()
    result = node.dig("www.tiktok.com", bind="127.0.15.10")
    if before == _in_hours():  # else the hours began or ended in between, and either answer is right
        assert result.rcode == ("NOERROR" if before else "REFUSED")
    assert node.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"


def _in_hours() -> bool:
    now = datetime.now(ZoneInfo("Europe/Brussels"))
    return now.weekday() < 5 and 9 <= now.hour < 12


@pytest.mark.parametrize("name", ["www.example.org", "facebook.com", "nottiktok.com", "tiktok.com.example.org"])
def test_other_names_are_nobody_s_business(node: Node, name: str) -> None:
    for client in ("127.0.0.1", "127.0.1.10", "127.0.14.10", "127.0.5.10"):
        assert node.dig(name, bind=client).rcode in ("NOERROR", "NXDOMAIN")


@pytest.mark.parametrize("name", ["video.example.org", "mixed.example.org", "hop1.example.org", "www.tree.example.org"])
def test_an_alias_into_tiktok_is_refused_where_tiktok_is(node: Node, name: str) -> None:
    def asked(client: str) -> DigResult:
        return node.dig(name, bind=client)

    assert asked("127.0.22.10").rcode == "NOERROR"
    assert [error.code for error in asked("127.0.5.10").ede] == [15]
    assert asked("127.0.22.10").rdata("A") == ["192.0.2.100"]
    assert node.dig(name, bind="127.0.5.10", extra=["+tcp"]).rcode == "REFUSED"


@pytest.mark.parametrize("name", ["alias-mode.example.org", "service-mode.example.org"])
def test_a_service_record_that_names_tiktok_is_refused_where_tiktok_is(node: Node, name: str) -> None:
    assert node.dig(name, "HTTPS", bind="127.0.25.10").rdata("HTTPS")
    assert node.dig(name, "HTTPS", bind="127.0.5.10").rcode == "REFUSED"


def test_text_names_reference_contact_service_and_authority_in_its_languages(node: Node) -> None:
    (error,) = node.dig("www.tiktok.com", bind="127.0.2.10").ede
    assert "ict@brussels-city.example" in error.text
    assert "TikTok bloqué par Ville de Bruxelles" in error.text
    assert len(error.text.encode()) <= 128


def test_brussels_city_monitors_for_its_study_without_refusing(node: Node) -> None:
    key = 'dnsfilter_monitored_total{authority="brussels-city",service="%s"}'
    before = node.metrics()
    for name in ("www.facebook.com", "www.instagram.com"):
        assert node.dig(name, bind="127.0.2.10").rcode in ("NOERROR", "NXDOMAIN")
    after = node.metrics()
    for service in ("facebook", "instagram"):
        assert after[key % service] == before.get(key % service, 0) + 1


def test_diest_counts_and_refuses_nothing(node: Node) -> None:
    key = 'dnsfilter_monitored_total{authority="diest",service="tiktok"}'
    before = node.metrics().get(key, 0)
    assert node.dig("www.tiktok.com", bind="127.0.8.77").rcode == "NOERROR"
    after = node.metrics()
    assert after[key] == before + 1
    assert 'dnsfilter_refused_total{authority="diest",service="tiktok"}' not in after


def test_exempted_communication_network_is_counted_as_such(node: Node) -> None:
    key = 'dnsfilter_exempted_total{authority="police-brussels-capital-ixelles",service="tiktok"}'
    before = node.metrics().get(key, 0)
    node.dig("www.tiktok.com", bind="127.0.4.10")
    assert node.metrics()[key] == before + 1
