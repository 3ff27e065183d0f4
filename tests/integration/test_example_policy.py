"""The example policy on a running resolver. A real dig asks from an address of each network."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.support.knot import Knot
from tests.support.nodes import Node

TYPES = ("A", "HTTPS")
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


def test_text_names_reference_contact_service_and_authority_in_its_languages(node: Node) -> None:
    (error,) = node.dig("www.tiktok.com", bind="127.0.2.10").ede
    assert "ict@brussels-city.example" in error.text
    assert "TikTok bloqué par Ville de Bruxelles" in error.text
    assert len(error.text.encode()) <= 128
