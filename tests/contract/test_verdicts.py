"""Verdicts are not shared: the cache holds upstream answers, and each waiting query is decided again."""

import dns.rcode

from dnsfilter.policy.model import Mode, Term
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, RECORDS, TARGETS, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, data, edes, query
from tests.support.policies import NOW, ban, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, reply, says, silent
from tests.support.starting import Start

BANNED = [("www.tiktok.com", "A"), *TARGETS]


@each_row("transport", tuple(Transport))
@each_row(("name", "qtype"), BANNED)
def test_banned_after_allowed_and_allowed_after_banned(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    wire = query(name, qtype)
    for order in ((MECHELEN, GHENT, MECHELEN, GHENT), (GHENT, MECHELEN, GHENT, DIEST)):
        rig = start(office(), internet())
        for client in order:
            answer = rig.ask(wire, client, transport)
            assert answer.rcode() == (dns.rcode.REFUSED if client == GHENT else dns.rcode.NOERROR)
            assert [code for code, _ in edes(answer)] == ([15] if client == GHENT else [])
            assert bool(answer.answer) == (client != GHENT)


@each_row("name", ["www.tiktok.com", "video.example.org"])
def test_a_stale_answer_passes_the_same_decision(start: Start, name: str) -> None:
    upstream = Scripted(
        says(
            {
                ("www.tiktok.com", "A"): ("www.tiktok.com. 2 A 192.0.2.100",),
                ("video.example.org", "A"): (
                    "video.example.org. 2 CNAME www.tiktok.com.",
                    "www.tiktok.com. 2 A 192.0.2.1",
                ),
            }
        )
    )
    rig = start(office(), upstream)
    rig.ask(query(name), MECHELEN)
    rig.pass_time(3000)
    upstream.behave = silent
    waiting = [(client, rig.send(query(name), client)) for client in (MECHELEN, GHENT, DIEST)]
    for _ in range(6):
        rig.pass_time(1000)
    for client, sender in waiting:
        found = rig.wait(sender)
        assert [code for code, _ in edes(found)] == ([15] if client == GHENT else [3])


@each_row("transport", tuple(Transport))
@each_row(
    ("name", "before", "after"),
    [
        ("www.tiktok.com", Mode.OFF, Mode.ENFORCE),
        ("video.example.org", Mode.OFF, Mode.ENFORCE),
        ("video.example.org", Mode.ENFORCE, Mode.OFF),
    ],
)
def test_policy_that_changes_while_clients_wait_decides(
    start: Start, name: str, before: Mode, after: Mode, transport: Transport
) -> None:
    held = Scripted(silent)
    rig = start(office(mode=before), held)
    neighbour, own = (rig.begin(query(name), client, transport) for client in (MECHELEN, GHENT))
    rig.until_asked(1)
    rig.settle()
    rig.swap(office(mode=after, revision=2))
    held.say(held.asked[0], reply(held.asked[0], RECORDS[name, "A"]))
    assert neighbour().rcode() == dns.rcode.NOERROR
    assert own().rcode() == (dns.rcode.REFUSED if after is Mode.ENFORCE else dns.rcode.NOERROR)
    assert len(held.asked) == 1


def test_a_client_that_loses_its_range_while_it_waits_is_refused(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    sender = rig.send(query("plain.example.org"), MECHELEN)
    rig.until_asked(1)
    rig.swap(policy(NETWORKS[0], service("tiktok", ("tiktok.com",)), ban(1, "ghent", "tiktok"), revision=2))
    held.say(held.asked[0], reply(held.asked[0], ("plain.example.org. 300 A 198.51.100.10",)))
    found = rig.wait(sender)
    assert (found.rcode(), edes(found), found.answer) == (dns.rcode.REFUSED, [(18, "")], [])


def test_term_that_begins_while_a_client_waits_applies(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(terms=(Term(NOW + 1),)), held)
    sender = rig.send(query("www.tiktok.com"))
    rig.until_asked(1)
    rig.clock.now_s += 1
    held.say(held.asked[0], reply(held.asked[0], ("www.tiktok.com. 300 A 192.0.2.100",)))
    assert rig.wait(sender).rcode() == dns.rcode.REFUSED


def test_failure_after_a_new_ban_gets_the_reply_of_the_ban(start: Start) -> None:
    rig = start(office(mode=Mode.OFF), Scripted(silent))
    sender = rig.send(query("www.tiktok.com"))
    rig.until_asked(1)
    rig.swap(office(revision=2))
    for _ in range(6):
        rig.pass_time(1000)
    assert rig.wait(sender).rcode() == dns.rcode.REFUSED


def test_swap_applies_to_the_next_query_and_another_swap_reverts_it(start: Start) -> None:
    rig = start(office(), internet())
    assert rig.ask(query("www.tiktok.com")).rcode() == dns.rcode.REFUSED
    rig.swap(office(mode=Mode.OFF, revision=2))
    assert data(rig.ask(query("www.tiktok.com"))) == ["A 192.0.2.100"]
    rig.swap(office(revision=3))
    assert rig.ask(query("www.tiktok.com")).rcode() == dns.rcode.REFUSED
    assert len(rig.forwarded) == 1


def test_changed_names_of_a_service_apply_to_cached_answers(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query("plain.example.org"))
    rig.ask(query("video.example.org"), MECHELEN)
    assert rig.ask(query("video.example.org")).rcode() == dns.rcode.REFUSED
    renamed = service("tiktok", ("plain.example.org",))
    rig.swap(policy(*NETWORKS, renamed, ban(1, "ghent", "tiktok"), revision=2))
    assert rig.at_once(query("plain.example.org")).rcode() == dns.rcode.REFUSED
    assert data(rig.at_once(query("video.example.org"))) == ["CNAME www.tiktok.com.", "A 192.0.2.100"]
    rig.swap(office(revision=3))
    assert data(rig.at_once(query("plain.example.org"))) == ["A 198.51.100.10"]
    assert rig.at_once(query("video.example.org")).rcode() == dns.rcode.REFUSED


def test_term_ends_by_itself_also_for_cached_answers(start: Start) -> None:
    rig = start(office(terms=(Term(NOW - 100, NOW + 30),)), internet())
    rig.ask(query("video.example.org"), MECHELEN)
    for later_s, refused in ((0, True), (29, True), (30, False), (60, False)):
        found = rig.at_once(query("video.example.org"), later_s=later_s)
        assert (found.rcode() == dns.rcode.REFUSED) == refused
