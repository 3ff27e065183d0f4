"""RFC 1034 section 5.3.3 and RFC 2308 section 2.2: an upstream that does not recurse resolves nothing."""

from collections.abc import Iterable

import dns.flags
import dns.rcode

from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import UPSTREAM_ANSWERS, upstream_slots
from dnsfilter.upstream.health import FAILURES_TO_BACK_OFF
from tests.contract.cases import internet, office
from tests.support.engines import Rig, ZoneTo, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, denial, fails, reply, says, silent, truncated
from tests.support.starting import Start

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]
FALSE = f"{NAME}. 300 A 203.0.113.66"
ROOT_HINT = (". 3600 NS a.root-servers.example.",)
GLUE = ("a.root-servers.example. 3600 A 192.0.2.53",)
AA = int(dns.flags.AA)
CORP = {
    ("www.corp.example", "A"): ("www.corp.example. 300 A 192.0.2.7",),
    ("alias.corp.example", "A"): (f"alias.corp.example. 300 CNAME {NAME}.",),
}


def without_ra(message: bytes) -> bytes:
    return message[:3] + bytes([message[3] & 0x7F]) + message[4:]


def root_referral(asked: Asked) -> Iterable[bytes]:
    return (without_ra(reply(asked, (), ROOT_HINT, GLUE)),)


def referral_with_ra(asked: Asked) -> Iterable[bytes]:
    return (reply(asked, (), ("example.org. 3600 NS ns.example.org.",), ("ns.example.org. 3600 A 192.0.2.53",)),)


def nothing(asked: Asked) -> Iterable[bytes]:
    return (without_ra(reply(asked)),)


def empty_with_soa(asked: Asked) -> Iterable[bytes]:
    return (without_ra(denial(asked, "example.org", rcode=0)),)


def what_it_knows(asked: Asked) -> Iterable[bytes]:
    return (without_ra(reply(asked, (FALSE,))),)


UNRESOLVED = (root_referral, referral_with_ra, nothing, empty_with_soa, what_it_knows)


def failures(rig: Rig, reason: Failure, server: int = 0) -> int:
    return rig.counters.slots[upstream_slots(server + 1)[server].failure(reason)]


def through_stream(behave: Behaviour) -> Behaviour:
    """Truncate every datagram, and behave so over TCP."""
    return lambda asked: behave(asked) if asked.by_stream else (truncated(asked),)


def authoritative(asked: Asked) -> Iterable[bytes]:
    """Answer as the server of corp.example, which does not recurse and refers to the servers of a zone below."""
    if asked.name.endswith("branch.corp.example"):
        return (without_ra(reply(asked, (), ("branch.corp.example. 300 NS ns.branch.corp.example.",))),)
    if (asked.name, asked.qtype) in CORP:
        return (without_ra(reply(asked, CORP[asked.name, asked.qtype], flags=AA)),)
    rcode = 0 if asked.name == "www.corp.example" else 3
    message = denial(asked, "corp.example", rcode=rcode)
    return (without_ra(message[:2] + bytes([message[2] | AA >> 8]) + message[3:]),)


@each_row("behave", UNRESOLVED)
@each_row("transport", tuple(Transport))
def test_the_next_server_is_asked_at_once(start: Start, behave: Behaviour, transport: Transport) -> None:
    rig = start(office(), Scripted(behave), internet())
    assert data(rig.ask(query(NAME), transport=transport)) == TRUTH
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]
    assert failures(rig, Failure.NO_RECURSION) == 1


@each_row("behave", UNRESOLVED)
def test_without_another_server_the_client_gets_servfail_and_nothing_is_cached(start: Start, behave: Behaviour) -> None:
    rig = start(office(), Scripted(behave))
    found = rig.ask(query(NAME))
    assert (found.rcode(), edes(found), data(found)) == (dns.rcode.SERVFAIL, [(22, "")], [])
    assert edes(rig.at_once(query(NAME))) == [(22, ""), (13, "")]
    assert rig.outcomes() == {("udp", "failed"): 2}


@each_row("behave", UNRESOLVED)
def test_an_answer_over_tcp_is_judged_too(start: Start, behave: Behaviour) -> None:
    rig = start(office(), Scripted(through_stream(behave)), internet())
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    rig.settle()
    rig.complete()
    assert data(wait()) == TRUTH
    assert failures(rig, Failure.NO_RECURSION) == 1


@each_row("behave", UNRESOLVED)
def test_the_server_counts_as_failing_and_is_asked_last(start: Start, behave: Behaviour) -> None:
    rig = start(office(), Scripted(behave), internet())
    for number in range(FAILURES_TO_BACK_OFF):
        rig.ask(query(f"n{number}.example.org"))
    assert data(rig.ask(query(NAME))) == TRUTH
    assert (NAME, "A") not in [(asked.name, asked.qtype) for asked in rig.upstream.asked]


def test_a_late_answer_of_the_first_server_leaves_the_wait_for_the_second(start: Start) -> None:
    held, second = Scripted(silent), Scripted(silent)
    rig = start(office(), held, second)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    rig.pass_time(900)
    rig.until_asked(1, second)
    held.say(held.asked[0], *root_referral(held.asked[0]))
    rig.settle()
    assert failures(rig, Failure.NO_RECURSION) == 1
    second.say(second.asked[0], reply(second.asked[0], (f"{NAME}. 300 A 198.51.100.10",)))
    assert data(wait()) == TRUTH


# Authoritative servers, and resolvers that clear RA.


@each_row(
    ("name", "rcode", "records"),
    [
        ("www.corp.example", dns.rcode.NOERROR, ["A 192.0.2.7"]),
        ("alias.corp.example", dns.rcode.NOERROR, [f"CNAME {NAME}.", *TRUTH]),
        ("none.corp.example", dns.rcode.NXDOMAIN, []),
    ],
)
def test_the_authoritative_servers_of_a_zone_need_not_recurse(
    start: Start, name: str, rcode: int, records: list[str]
) -> None:
    corp = Scripted(authoritative)
    rig = start(office(), internet(), corp, conditional=[ZoneTo("corp.example", corp)])
    for _ in range(2):
        found = rig.ask(query(name))
        assert (found.rcode(), data(found)) == (rcode, records)
    assert len(corp.asked) == 1
    assert failures(rig, Failure.NO_RECURSION, 1) == 0


def test_an_authoritative_denial_of_a_type_needs_no_recursion(start: Start) -> None:
    corp = Scripted(authoritative)
    rig = start(office(), internet(), corp, conditional=[ZoneTo("corp.example", corp)])
    found = rig.ask(query("www.corp.example", "AAAA"))
    assert (found.rcode(), data(found), len(found.authority)) == (dns.rcode.NOERROR, [], 1)


def test_a_default_upstream_is_believed_about_its_own_zones(start: Start) -> None:
    rig = start(office(), Scripted(authoritative))
    assert data(rig.ask(query("www.corp.example"))) == ["A 192.0.2.7"]
    assert rig.ask(query("none.corp.example")).rcode() == dns.rcode.NXDOMAIN


def test_a_referral_to_a_zone_below_concerns_the_name_and_not_the_server(start: Start) -> None:
    corp = Scripted(authoritative)
    rig = start(office(), internet(), corp, conditional=[ZoneTo("corp.example", corp)])
    rig.ask(query("www.corp.example"))
    for number in range(FAILURES_TO_BACK_OFF + 1):
        assert rig.ask(query(f"n{number}.branch.corp.example")).rcode() == dns.rcode.SERVFAIL
    assert failures(rig, Failure.NO_RECURSION, 1) == FAILURES_TO_BACK_OFF + 1
    rig.engine.record_upstreams()
    assert rig.counters.slots[upstream_slots(2)[1].state] == UPSTREAM_ANSWERS


def test_a_referral_below_the_second_zone_of_a_server_concerns_the_name_too(start: Start) -> None:
    corp = Scripted(authoritative)
    zones = [ZoneTo("2.0.192.in-addr.arpa", corp), ZoneTo("corp.example", corp)]
    rig = start(office(), internet(), corp, conditional=zones)
    rig.ask(query("www.corp.example"))
    for number in range(FAILURES_TO_BACK_OFF + 1):
        assert rig.ask(query(f"n{number}.branch.corp.example")).rcode() == dns.rcode.SERVFAIL
    rig.engine.record_upstreams()
    assert rig.counters.slots[upstream_slots(2)[1].state] == UPSTREAM_ANSWERS


@each_row("soa", [False, True])
def test_a_name_that_does_not_exist_needs_no_recursion_because_blockers_clear_ra_there(start: Start, soa: bool) -> None:
    blocked = Scripted(lambda asked: (without_ra(denial(asked, "example.org") if soa else reply(asked, rcode=3)),))
    rig = start(office(), blocked, internet())
    assert rig.ask(query(NAME)).rcode() == dns.rcode.NXDOMAIN
    assert rig.upstreams[1].asked == []


@each_row(("rcode", "reason"), [(dns.rcode.SERVFAIL, Failure.SERVFAIL), (dns.rcode.REFUSED, Failure.REFUSED)])
def test_a_failure_without_ra_counts_by_its_rcode(start: Start, rcode: int, reason: Failure) -> None:
    failing = Scripted(lambda asked: tuple(without_ra(message) for message in fails(rcode)(asked)))
    rig = start(office(), failing, internet())
    assert data(rig.ask(query(NAME))) == TRUTH
    assert (failures(rig, reason), failures(rig, Failure.NO_RECURSION)) == (1, 0)


def test_an_empty_answer_of_a_server_that_recurses_is_believed(start: Start) -> None:
    rig = start(office(), Scripted(says({(NAME, "A"): ()})), internet())
    found = rig.ask(query(NAME))
    assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [])
    assert rig.upstreams[1].asked == []
