"""RFC 8482: a question for everything gets the least that answers it, and is never passed on."""

import dns.rcode
import pytest

from dnsfilter.policy.model import Reply, Term
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import TARGETS, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, STRANGER, data, edes, query, ttls
from tests.support.policies import NOW
from tests.support.starting import Start

TRANSPORTS = tuple(Transport)
LEAST = ['HINFO "RFC8482" ""']


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ["plain.example.org", "missing.example.org", "org", "."])
def test_any_is_answered_here_whether_or_not_the_name_is_known(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    rig.ask(query("plain.example.org"))
    for do in (False, True):
        found = rig.at_once(query(name, "ANY", do=do), transport=transport)
        assert (found.rcode(), data(found), ttls(found)) == (dns.rcode.NOERROR, LEAST, [3789])
    assert rig.forwarded == [("plain.example.org", "A")]


@pytest.mark.parametrize("edns", [False, 0])
def test_any_amplifies_by_no_more_than_one_small_record(start: Start, edns: int | bool) -> None:
    rig = start(office(), internet())
    wire = query("plain.example.org", "ANY", edns=edns, payload=65535)
    assert len(rig.at_once(wire).to_wire()) <= len(wire) + 12 + len("RFC8482") + 2


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("reply", "rcode"),
    [(Reply.REFUSED, dns.rcode.REFUSED), (Reply.NXDOMAIN, dns.rcode.NXDOMAIN), (Reply.NODATA, dns.rcode.NOERROR)],
)
def test_any_of_a_banned_name_gets_the_ban_s_reply(
    start: Start, reply: Reply, rcode: int, transport: Transport
) -> None:
    rig = start(office(reply=reply), internet())
    for client, code in ((GHENT, 15), (BOUND, 16)):
        found = rig.at_once(query("www.tiktok.com", "ANY"), client, transport)
        assert (found.rcode(), data(found), [each for each, _ in edes(found)]) == (rcode, [], [code])
    for client in (MECHELEN, DIEST):
        assert data(rig.at_once(query("www.tiktok.com", "ANY"), client, transport)) == LEAST
    assert rig.forwarded == []


@pytest.mark.parametrize(("name", "qtype"), TARGETS)
def test_any_tells_nothing_of_where_a_name_leads(start: Start, name: str, qtype: str) -> None:
    rig = start(office(), internet())
    rig.ask(query(name, qtype), MECHELEN)
    for client in (GHENT, MECHELEN):
        assert data(rig.at_once(query(name, "ANY"), client)) == LEAST


def test_any_of_what_a_ban_concerns_outlives_no_change_of_its_client(start: Start) -> None:
    rig = start(office(terms=(Term(NOW + 20),)), internet())
    assert ttls(rig.at_once(query("www.tiktok.com", "ANY"))) == [20]
    assert ttls(rig.at_once(query("www.tiktok.com", "ANY"), MECHELEN)) == [60]


def test_any_from_outside_every_range_is_refused(start: Start) -> None:
    rig = start(office(), internet())
    found = rig.at_once(query("plain.example.org", "ANY"), STRANGER)
    assert (found.rcode(), data(found)) == (dns.rcode.REFUSED, [])
