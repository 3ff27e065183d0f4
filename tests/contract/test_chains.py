"""CNAME chains that an answer leaves unfinished are followed, over zones and within bounds."""

import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, office
from tests.support.engines import GHENT, MECHELEN, ZoneTo, data, query
from tests.support.policies import policy
from tests.support.scripted import Asked, Scripted, denial, fails, reply, says
from tests.support.starting import Start


def chain(length: int, end: str = "198.51.100.99") -> dict[tuple[str, str], tuple[str, ...]]:
    """c0 leads to c1 and so on over so many CNAMEs, each in an answer of its own; the last has an address."""
    records: dict[tuple[str, str], tuple[str, ...]] = {
        (f"c{n}.example.org", "A"): (f"c{n}.example.org. 300 CNAME c{n + 1}.example.org.",) for n in range(length)
    }
    return records | {(f"c{length}.example.org", "A"): (f"c{length}.example.org. 300 A {end}",)}


@pytest.mark.parametrize("transport", tuple(Transport))
@pytest.mark.parametrize("hops", [1, 2, 8])
def test_an_unfinished_chain_is_followed(start: Start, hops: int, transport: Transport) -> None:
    rig = start(office(), Scripted(says(chain(hops))))
    for _ in range(2):
        found = rig.ask(query("c0.example.org"), transport=transport)
        assert data(found) == [*(f"CNAME c{n + 1}.example.org." for n in range(hops)), "A 198.51.100.99"]
    assert rig.forwarded == [(f"c{n}.example.org", "A") for n in range(hops + 1)]
    assert isinstance(rig.judge(query("c1.example.org")), Miss)


def test_a_chain_beyond_eight_hops_is_given_up(start: Start) -> None:
    rig = start(office(), Scripted(says(chain(9))))
    assert rig.ask(query("c0.example.org")).rcode() == dns.rcode.SERVFAIL
    assert len(rig.forwarded) == 9


def test_a_loop_over_answers_is_given_up(start: Start) -> None:
    loop = {
        ("a.example.org", "A"): ("a.example.org. 300 CNAME b.example.org.",),
        ("b.example.org", "A"): ("b.example.org. 300 CNAME a.example.org.",),
    }
    rig = start(office(), Scripted(says(loop)))
    assert rig.ask(query("a.example.org")).rcode() == dns.rcode.SERVFAIL
    assert len(rig.forwarded) <= 9


def test_a_chain_is_followed_from_one_zone_into_another(start: Start) -> None:
    inner = Scripted(says({("dc1.corp.local", "A"): ("dc1.corp.local. 300 A 10.0.0.1",)}))
    outer = Scripted(says({("portal.example.org", "A"): ("portal.example.org. 300 CNAME dc1.corp.local.",)}))
    rig = start(office(), outer, inner, conditional=[ZoneTo("corp.local", inner)])
    assert data(rig.ask(query("portal.example.org"))) == ["CNAME dc1.corp.local.", "A 10.0.0.1"]
    assert [(each.name, each.qtype) for each in inner.asked] == [("dc1.corp.local", "A")]


@pytest.mark.parametrize(
    ("target", "rcode", "end"),
    [
        ("x.local", "NXDOMAIN", []),
        ("x.onion", "NXDOMAIN", []),
        ("1.0.0.10.in-addr.arpa", "NXDOMAIN", []),
        ("a.resolver.arpa", "NOERROR", []),
        ("x.internal", "NXDOMAIN", []),
        ("localhost", "NOERROR", ["A 127.0.0.1"]),
    ],
)
def test_a_special_use_target_is_asked_of_nobody(start: Start, target: str, rcode: str, end: list[str]) -> None:
    rig = start(office(), Scripted(says({("odd.example.org", "A"): (f"odd.example.org. 300 CNAME {target}.",)})))
    for found in (rig.ask(query("odd.example.org")), rig.at_once(query("odd.example.org"))):
        assert dns.rcode.to_text(found.rcode()) == rcode
        assert data(found) == [f"CNAME {target}.", *end]
        assert [record.rdtype for record in found.authority] == ([] if end else [dns.rdatatype.SOA])
    assert rig.forwarded == [("odd.example.org", "A")]


def test_a_denial_at_the_end_of_a_chain_is_passed_on_with_the_chain(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "a.example.org":
            return [reply(asked, ("a.example.org. 300 CNAME missing.example.net.",))]
        return [denial(asked, "example.net")]

    rig = start(office(), Scripted(behave))
    found = rig.ask(query("a.example.org"))
    assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, ["CNAME missing.example.net."])
    assert [rrset.name.to_text() for rrset in found.authority] == ["example.net."]


def test_a_chain_whose_end_fails_is_a_failure(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "a.example.org":
            return [reply(asked, ("a.example.org. 300 CNAME b.example.net.",))]
        return list(fails(dns.rcode.SERVFAIL)(asked))

    rig = start(office(), Scripted(behave))
    assert rig.ask(query("a.example.org")).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("rcode", [2, 5])
def test_a_chain_that_led_to_a_banned_name_is_refused_although_its_end_cannot_be_had(start: Start, rcode: int) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "video.example.org":
            return [reply(asked, ("video.example.org. 300 CNAME www.tiktok.com.",))]
        return [reply(asked, rcode=rcode)]

    rig = start(office(), Scripted(behave))
    waiting = [rig.begin(query("video.example.org"), client) for client in (GHENT, MECHELEN)]
    assert [dns.rcode.to_text(wait().rcode()) for wait in waiting] == ["REFUSED", "SERVFAIL"]


@pytest.mark.parametrize("transport", list(Transport))
def test_what_a_server_adds_about_a_banned_name_is_not_told_to_whom_it_is_refused(
    start: Start, transport: Transport
) -> None:
    def behave(asked: Asked) -> list[bytes]:
        mail, added = "shop.example.org. 300 MX 10 www.tiktok.com.", "www.tiktok.com. 300 A 192.0.2.100"
        return [reply(asked, (mail,), additional=(added, "ns.example.org. 300 A 192.0.2.53"))]

    rig = start(office(), Scripted(behave))
    for client, added in ((GHENT, []), (MECHELEN, ["www.tiktok.com.", "ns.example.org."]), (GHENT, [])):
        found = rig.ask(query("shop.example.org", "MX"), client, transport)
        assert data(found) == ["MX 10 www.tiktok.com."]
        assert [rrset.name.to_text() for rrset in found.additional] == added
    rig.swap(policy(*NETWORKS, revision=2))
    assert len(rig.ask(query("shop.example.org", "MX"), GHENT, transport).additional) == 2
