"""RFC 8020: what NXDOMAIN from upstream, and NXDOMAIN from a ban, mean for the names below."""

import dns.rcode

from dnsfilter.engine.interface import Miss
from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import BOUND, GHENT, MECHELEN, data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

TRANSPORTS = tuple(Transport)
RECORDS = {
    (name, "A"): (f"{name}. 300 A 198.51.100.77",)
    for name in ("tiktok.com", "www.tiktok.com", "a.b.tiktok.com", "api.example.net", "below.api.example.net")
} | {("video.example.org", "A"): ("video.example.org. 300 CNAME www.tiktok.com.",)}
ADDRESS = ["A 198.51.100.77"]


@each_row("transport", TRANSPORTS)
def test_a_ban_s_nxdomain_denies_nothing_to_those_it_does_not_bind(start: Start, transport: Transport) -> None:
    rig = start(office(reply=Reply.NXDOMAIN), Scripted(says(RECORDS)))
    for name in ("tiktok.com", "www.tiktok.com", "a.b.tiktok.com"):
        for client in (GHENT, BOUND):
            assert rig.at_once(query(name), client, transport).rcode() == dns.rcode.NXDOMAIN
        assert data(rig.ask(query(name), MECHELEN, transport)) == ADDRESS
        assert rig.at_once(query(name), GHENT, transport).rcode() == dns.rcode.NXDOMAIN


def test_a_ban_says_nxdomain_only_of_names_below_which_it_bans_everything(start: Start) -> None:
    rig = start(office(reply=Reply.NXDOMAIN), Scripted(says(RECORDS)))
    for name, rcode in (
        ("tiktok.com", dns.rcode.NXDOMAIN),
        ("a.b.tiktok.com", dns.rcode.NXDOMAIN),
        ("api.example.net", dns.rcode.NOERROR),  # the ban covers this host only, and a name below it exists
        ("video.example.org", dns.rcode.NOERROR),  # refused because its alias leads to a banned name
    ):
        found = rig.ask(query(name))
        assert (found.rcode(), data(found), len(found.authority)) == (rcode, [], 1)
    assert data(rig.ask(query("below.api.example.net"))) == ADDRESS


def test_an_nxdomain_of_upstream_is_kept_for_its_name_and_no_other(start: Start) -> None:
    rig = start(office(), Scripted(says(RECORDS | {("c.a.example.org", "A"): ("c.a.example.org. 300 A 192.0.2.7",)})))
    assert rig.ask(query("a.example.org")).rcode() == dns.rcode.NXDOMAIN
    assert rig.at_once(query("a.example.org")).rcode() == dns.rcode.NXDOMAIN
    for name in ("c.a.example.org", "example.org", "xa.example.org", "b.example.org"):
        assert isinstance(rig.judge(query(name)), Miss)
    assert data(rig.ask(query("c.a.example.org"))) == ["A 192.0.2.7"]
