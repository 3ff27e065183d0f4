"""RFC 8767: expired answers, for when upstream does not answer."""

from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode

from dnsfilter.policy.model import Reply as BanReply
from dnsfilter.policy.model import Term
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, data, edes, query, ttls
from tests.support.policies import NOW
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, denial, fails, reply, says, silent
from tests.support.starting import Start

NAME = "plain.example.org"


def short(address: str = "198.51.100.10") -> Behaviour:
    """Return an upstream that gives NAME this address, with a TTL of two seconds."""
    return says({(NAME, "A"): (f"{NAME}. 2 A {address}",)})


@each_row("transport", tuple(Transport))
@each_row("failure", [silent, fails(dns.rcode.SERVFAIL), fails(dns.rcode.REFUSED)])
def test_a_stale_answer_serves_for_thirty_seconds_when_upstream_fails(
    start: Start, failure: Behaviour, transport: Transport
) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = failure
    later = rig.begin(query(NAME), GHENT, transport)
    for _ in range(6):
        rig.pass_time(1000)
    found = later()
    assert (data(found), ttls(found), edes(found)) == (["A 198.51.100.10"], [30], [(3, "")])
    assert rig.outcomes()[(transport.value, "stale")] == 1


def test_a_stale_denial_says_that_it_is_one(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (denial(asked, "example.org", ttl=2),)))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    found = rig.ask(query(NAME))
    assert (found.rcode(), ttls(found), edes(found)) == (dns.rcode.NXDOMAIN, [30], [(19, "")])


def test_a_fresh_answer_is_called_stale_by_nobody(start: Start) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    found = rig.at_once(query(NAME), later_s=1)
    assert (ttls(found), edes(found)) == ([1], [])


SIGNATURE = f"{NAME}. 1 RRSIG A 8 3 1 20300101000000 20200101000000 1 example.org. c2ln"


@each_row("transport", tuple(Transport))
@each_row("do", [False, True])
def test_a_stale_answer_serves_whether_or_not_dnssec_is_asked_for(start: Start, do: bool, transport: Transport) -> None:
    def signs(asked: Asked) -> list[bytes]:
        signed = (SIGNATURE,) if dns.message.from_wire(asked.message).ednsflags & dns.flags.DO else ()
        return [reply(asked, (f"{NAME}. 1 A 198.51.100.10", *signed), flags=dns.flags.AD)]

    rig = start(office(), Scripted(signs), trust_ad=True)
    rig.ask(query(NAME, do=not do, ad=True))
    rig.clock.advance(2_000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    found = rig.ask(query(NAME, do=do, ad=True), transport=transport)
    assert (data(found), ttls(found), edes(found)) == (["A 198.51.100.10"], [30], [(3, "")])
    assert not found.flags & dns.flags.AD


def test_upstream_is_asked_again_once_its_failure_is_over(start: Start) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    for count, hold_ms in ((2, 1_000), (3, 2_000)):
        assert [code for code, _ in edes(rig.ask(query(NAME)))] == [3]
        assert len(rig.upstream.asked) == count
        rig.pass_time(hold_ms)
    rig.upstream.behave = short("198.51.100.99")
    found = rig.ask(query(NAME))
    assert (data(found), edes(found)) == (["A 198.51.100.99"], [])


@each_row("transport", tuple(Transport))
def test_while_a_failure_is_remembered_a_stale_answer_comes_at_once(start: Start, transport: Transport) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    rig.ask(query(NAME))
    found = rig.ask(query(NAME), transport=transport)
    assert (data(found), ttls(found), edes(found)) == (["A 198.51.100.10"], [30], [(3, "")])
    assert len(rig.upstream.asked) == 2
    assert rig.outcomes()[transport.value, "stale"] == (2 if transport is Transport.UDP else 1)


@each_row("transport", tuple(Transport))
@each_row("do", [False, True])
def test_a_client_waits_1800_ms_for_upstream_and_the_answer_still_refreshes_the_cache(
    start: Start, do: bool, transport: Transport
) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME, do=do))
    rig.pass_time(3000)
    rig.upstream.behave = silent
    first, second = (rig.begin(query(NAME), client, transport) for client in (GHENT, MECHELEN))
    rig.until_asked(2)
    for _ in range(3):
        rig.pass_time(600)
    assert [edes(wait()) for wait in (first, second)] == [[(3, "")], [(3, "")]]
    assert edes(rig.ask(query(NAME), transport=transport)) == [(3, "")]
    rig.upstream.say(rig.upstream.asked[-1], next(iter(short("198.51.100.99")(rig.upstream.asked[-1]))))
    rig.settle()
    assert data(rig.at_once(query(NAME))) == ["A 198.51.100.99"]


def test_once_all_servers_are_known_to_be_dead_a_stale_answer_comes_at_once(start: Start) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    rig.upstream.behave = silent
    for number in range(3):
        rig.begin(query(f"n{number}.example.org"))
        rig.until_asked(2 + number)
    rig.pass_time(1_000)
    rig.begin(query("probing.example.org"))
    rig.settle()
    rig.pass_time(1_000)
    asked = len(rig.upstream.asked)
    assert edes(rig.at_once(query(NAME))) == [(3, "")]
    assert len(rig.upstream.asked) == asked
    rig.upstream.behave = short("198.51.100.99")
    rig.pass_time(1_000)
    assert data(rig.ask(query(NAME))) == ["A 198.51.100.99"]


@each_row("transport", tuple(Transport))
@each_row("do", [False, True])
def test_where_there_is_no_room_to_wait_a_stale_answer_serves(start: Start, do: bool, transport: Transport) -> None:
    rig = start(office(), Scripted(short()), limits=replace(NO_RATES, waiting_per_client=2))
    rig.ask(query(NAME, do=do))
    rig.pass_time(3000)
    rig.upstream.behave = silent
    for number in range(2):
        rig.begin(query(f"n{number}.example.org"))
    rig.until_asked(3)
    assert edes(rig.ask(query(NAME), transport=transport)) == [(3, "")]
    assert len(rig.upstream.asked) == 3
    assert edes(rig.at_once(query(NAME, rd=False))) == [(20, "")]


def test_a_denial_of_upstream_ends_what_was_kept(start: Start) -> None:
    rig = start(office(), Scripted(short()))
    rig.ask(query(NAME))
    rig.pass_time(3000)
    for behave in (lambda asked: (denial(asked, "example.org", ttl=2),), fails(dns.rcode.SERVFAIL)):
        rig.upstream.behave = behave
        assert rig.ask(query(NAME)).rcode() == dns.rcode.NXDOMAIN
        rig.pass_time(3000)


@each_row(("age_s", "rcode"), [(6, dns.rcode.NOERROR), (8, dns.rcode.SERVFAIL)])
def test_what_is_too_old_does_not_serve_as_stale(start: Start, age_s: int, rcode: int) -> None:
    rig = start(office(), Scripted(short()), stale_s=5)
    rig.ask(query(NAME))
    rig.pass_time(age_s * 1000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    found = rig.ask(query(NAME))
    assert (found.rcode(), bool(found.answer)) == (rcode, rcode == dns.rcode.NOERROR)


# The policy also applies to stale data (CVE-2026-55717, CVE-2026-46582).


@each_row("reply", [BanReply.REFUSED, BanReply.NXDOMAIN, BanReply.NODATA])
def test_a_ban_that_begins_while_upstream_is_gone_holds_for_stale_targets(start: Start, reply: BanReply) -> None:
    line = "video.example.org. 2 CNAME www.tiktok.com."
    records = {("video.example.org", "A"): (line, "www.tiktok.com. 2 A 192.0.2.100")}
    rig = start(office(terms=(Term(NOW + 10, NOW + 20),), reply=reply), Scripted(says(records)))
    assert data(rig.ask(query("video.example.org")))[-1] == "A 192.0.2.100"
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    codes = []
    for _ in range(6):
        rig.pass_time(4_000)
        codes.append([code for code, _ in edes(rig.ask(query("video.example.org")))])
        assert [code for code, _ in edes(rig.ask(query("video.example.org"), MECHELEN))] == [3]
    assert codes == [[3], [3], [15], [15], [3], [3]]


def test_a_stale_answer_that_a_ban_concerns_outlives_no_change_of_its_client(start: Start) -> None:
    records = {("www.tiktok.com", "A"): ("www.tiktok.com. 2 A 192.0.2.100",)}
    rig = start(office(terms=(Term(NOW + 20),)), Scripted(says(records)))
    rig.ask(query("www.tiktok.com"))
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    rig.pass_time(5_000)
    assert ttls(rig.ask(query("www.tiktok.com"))) == [15]
    assert ttls(rig.ask(query("www.tiktok.com"), MECHELEN)) == [30]
