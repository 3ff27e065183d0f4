"""RFC 9520: a question that no upstream answers costs a bounded number of queries."""

from itertools import pairwise

import dns.rcode

from dnsfilter.cache.failure_cache import MOST_TARGETS
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, Rig, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, fails, reply, says, silent
from tests.support.starting import Start

NAME = "plain.example.org"


@each_row("behave", [fails(dns.rcode.SERVFAIL), fails(dns.rcode.REFUSED), silent])
@each_row("servers", [1, 2, 5])
def test_one_question_costs_at_most_four_sends_and_three_to_one_server(
    start: Start, servers: int, behave: Behaviour
) -> None:
    rig = start(office(), *(Scripted(behave) for _ in range(servers)))
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    for _ in range(16):
        rig.pass_time(350)
    assert wait().rcode() == dns.rcode.SERVFAIL
    asked = sum(len(upstream.asked) for upstream in rig.upstreams)
    assert asked == ((3 if servers == 1 else 4) if behave is silent else min(servers, 4))
    assert max(len(upstream.asked) for upstream in rig.upstreams) <= 3


# The engine remembers failures (section 3.2).


def broken(asked: Asked) -> tuple[bytes, ...]:
    """Answer SERVFAIL for NAME, and an address for every other name."""
    if asked.name == NAME:
        return (reply(asked, rcode=dns.rcode.SERVFAIL),)
    return (reply(asked, (f"{asked.name}. 9 A 198.51.100.1",)),)


def times(rig: Rig, name: str = NAME) -> int:
    """Return how often the engine asked upstream for `name`."""
    return [asked for asked, _ in rig.forwarded].count(name)


@each_row("transport", tuple(Transport))
def test_a_remembered_failure_is_answered_at_once_and_nothing_is_sent(start: Start, transport: Transport) -> None:
    rig = start(office(), Scripted(broken))
    assert edes(rig.ask(query(NAME), transport=transport)) == []
    for asked in (query(NAME), query(NAME.upper())):
        found = rig.ask(asked, transport=transport)
        assert (found.rcode(), edes(found)) == (dns.rcode.SERVFAIL, [(13, "")])
    assert rig.ask(query(NAME, edns=False), transport=transport).rcode() == dns.rcode.SERVFAIL
    assert times(rig) == 1
    assert rig.outcomes() == {(transport.value, "failed"): 4}


def test_a_failure_is_remembered_twice_as_long_each_time_up_to_five_minutes(start: Start) -> None:
    rig = start(office(), Scripted(broken))
    for count, hold_s in enumerate((1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300), 1):
        rig.ask(query(NAME))
        assert times(rig) == count
        rig.clock.advance(hold_s * 1000 - 1)
        assert edes(rig.at_once(query(NAME))) == [(13, "")]
        rig.clock.advance(1)


def test_a_success_ends_the_memory_of_failures(start: Start) -> None:
    rig = start(office(), Scripted(broken))
    rig.ask(query(NAME))
    rig.clock.advance(1_000)
    rig.ask(query(NAME))
    rig.clock.advance(2_000)
    rig.upstream.behave = says({(NAME, "A"): (f"{NAME}. 1 A 198.51.100.1",)})
    assert data(rig.ask(query(NAME))) == ["A 198.51.100.1"]
    rig.clock.advance(5_000)
    rig.upstream.behave = broken
    for _ in range(2):
        rig.ask(query(NAME))
        rig.clock.advance(1_000)
    assert times(rig) == 5


def test_other_questions_of_a_name_that_fails_are_asked(start: Start) -> None:
    rig = start(office(), Scripted(broken))
    for asked in (query(NAME), query(NAME, "AAAA"), query(NAME, do=True), query(NAME, cd=True)):
        rig.ask(asked)
    assert times(rig) == 4


def test_policy_decides_over_what_a_remembered_failure_leads_to(start: Start) -> None:
    alias = {("video.example.org", "A"): ("video.example.org. 300 CNAME www.tiktok.com.",)}

    def dangling(asked: Asked) -> tuple[bytes, ...]:
        if asked.name == "www.tiktok.com":
            return (reply(asked, rcode=dns.rcode.SERVFAIL),)
        return tuple(says(alias)(asked))

    rig = start(office(), Scripted(dangling))
    for _ in range(2):
        codes = [[code for code, _ in edes(rig.ask(query("video.example.org"), who))] for who in (GHENT, MECHELEN)]
        assert codes == [[15], [13]]
    assert times(rig, "www.tiktok.com") == 1


@each_row(("aliases", "asked"), [(MOST_TARGETS, 1), (MOST_TARGETS + 1, 2)])
def test_a_failure_that_leads_to_many_names_is_not_remembered(start: Start, aliases: int, asked: int) -> None:
    names = [NAME, *(f"alias{number}.example.org" for number in range(aliases))]
    lines = tuple(f"{owner}. 300 CNAME {target}." for owner, target in pairwise(names))

    def dangling(asked: Asked) -> tuple[bytes, ...]:
        return (reply(asked, lines) if asked.name == NAME else reply(asked, rcode=dns.rcode.SERVFAIL),)

    rig = start(office(), Scripted(dangling))
    for _ in range(2):
        assert rig.ask(query(NAME)).rcode() == dns.rcode.SERVFAIL
    assert times(rig) == asked


@each_row("transport", tuple(Transport))
def test_when_all_servers_are_dead_only_one_new_question_a_second_is_asked(start: Start, transport: Transport) -> None:
    rig = start(office(), *(Scripted(silent) for _ in range(2)))
    for number in range(8):
        rig.begin(query(f"n{number}.example.org"))
    rig.until_asked(8)
    for second in range(12):
        rig.pass_time(1_000)
        if second < 6:
            rig.begin(query(f"probing{second}.example.org"))
    for second in range(5):
        names = [f"m{second}-{number}.example.org" for number in range(20)]
        answers = [rig.begin(query(name), GHENT, transport) for name in names]
        rig.settle()
        rig.pass_time(1_000)
        failures = [edes(wait()) for wait in answers]
        assert sorted(failures) == [[(22, "")], *[[(22, ""), (13, "")]] * 19]
        assert sum(times(rig, name) for name in names) == 1


def test_names_that_failed_are_asked_again_once_an_upstream_that_answered_only_servfail_recovers(start: Start) -> None:
    rig = start(office(), Scripted(fails(dns.rcode.SERVFAIL)))
    for hold_s in (1, 2, 4, 8, 16, 32, 64):
        rig.ask(query(NAME))
        rig.pass_time(hold_s * 1_000)
    rig.ask(query(NAME))
    rig.upstream.behave = says({(name, "A"): (f"{name}. 1 A 198.51.100.1",) for name in (NAME, "other.example.org")})
    rig.pass_time(1_000)
    assert edes(rig.at_once(query(NAME))) == [(13, "")]
    rig.ask(query("other.example.org"))
    assert data(rig.ask(query(NAME))) == ["A 198.51.100.1"]


def test_names_that_failed_are_asked_again_within_a_second_of_a_recovery(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    for _ in range(4):
        wait = rig.begin(query(NAME))
        for _ in range(6):
            rig.pass_time(1_000)
        assert wait().rcode() == dns.rcode.SERVFAIL
    rig.upstream.behave = says({(NAME, "A"): (f"{NAME}. 1 A 198.51.100.1",)})
    assert rig.at_once(query(NAME)).rcode() == dns.rcode.SERVFAIL
    rig.pass_time(1_000)
    assert data(rig.ask(query(NAME))) == ["A 198.51.100.1"]
