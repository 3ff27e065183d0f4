"""The time for a policy and for the cache: clocks that are set, calendars, and terms that end during a wait.

Wall time decides policy, and boot time ages the cache. The engine doubts a wall clock that is more than a minute
before the making of the policy. A period begins in its first second. It is over in the second given as its end,
also for clients that wait.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dnsfilter.engine.clock import Reference
from dnsfilter.engine.interface import Miss
from dnsfilter.local.believed_clock import this_boot
from dnsfilter.policy.calendar import instant_text, parse_hours
from dnsfilter.policy.model import (
    Binding,
    Exemption,
    Ground,
    Instant,
    Policy,
    Reply,
    Suspension,
    Term,
)
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, RECORDS, TIKTOK, internet, office
from tests.support.engines import BOUND, GHENT, MECHELEN, Rig, data, edes, query, ttls
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually
from tests.support.opened_snapshot import opened
from tests.support.policies import DAY, HOUR, NOW, ban, exemption, policy
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, fails, reply, says, silent
from tests.support.snapshot_node import PublishedNode
from tests.support.starting import Start

TIKTOK_NAME, VIDEO, PLAIN = "www.tiktok.com", "video.example.org", "plain.example.org"
GHENT_RANGE = "127.0.5.0/24"
REFUSED, NOERROR, SERVFAIL = dns.rcode.REFUSED, dns.rcode.NOERROR, dns.rcode.SERVFAIL
MAKING_MINUTE = 60
each_transport = each_row("transport", tuple(Transport))


def refused(rig: Rig, client: str = GHENT, at: Instant | None = None) -> bool:
    """Return whether a banned name is refused without asking upstream. `at` sets the wall clock first."""
    if at is not None:
        rig.clock.now_s = at
    outcome = rig.judge(query(TIKTOK_NAME), client)
    if isinstance(outcome, Miss):
        return False
    return rig.at_once(query(TIKTOK_NAME), client).rcode() == REFUSED


# The wall clock is set.


@each_row("before_s", [0, 1, MAKING_MINUTE - 1, MAKING_MINUTE])
def test_a_clock_set_back_to_at_most_a_minute_before_the_making_is_believed(start: Start, before_s: int) -> None:
    rig = start(office(terms=(Term(NOW + 5),)), internet(), wall_s=NOW + 100)
    assert refused(rig)
    assert not refused(rig, at=NOW - before_s)


@each_row("before_s", [MAKING_MINUTE + 1, DAY, NOW])
def test_a_clock_set_back_further_gives_way_to_the_time_since_the_making(start: Start, before_s: int) -> None:
    rig = start(office(terms=(Term(NOW + 5, NOW + 150),)), internet(), wall_s=NOW + 100)
    rig.pass_time(100_000)
    assert refused(rig, at=NOW - before_s)
    rig.pass_time(49_000)
    assert refused(rig, at=NOW - before_s)
    rig.pass_time(1_000)
    assert not refused(rig, at=NOW - before_s)


def test_a_clock_set_back_but_not_before_the_making_is_believed(start: Start) -> None:
    rig = start(office(terms=(Term(NOW + 5, NOW + 500),)), internet(), wall_s=NOW + 1000)
    assert not refused(rig)
    assert refused(rig, at=NOW + 5)
    assert not refused(rig, at=NOW + 4)


def test_a_clock_set_forward_is_believed(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 500),)), internet())
    assert refused(rig)
    assert not refused(rig, at=NOW + 500)
    assert not refused(rig, at=NOW + 10 * 366 * DAY)


def test_a_boot_in_1970_decides_by_the_making_and_the_time_since(start: Start) -> None:
    hours = parse_hours("Sat 01:01-01:02", "Europe/Brussels")  # the making of the policy is Saturday, 01:00 in Brussels
    shielded = exemption(1, 1, [GHENT_RANGE], NOW, NOW + DAY, (hours,))
    rig = start(office(shielded, terms=(Term(NOW - 30, NOW + 150),), reply=Reply.NXDOMAIN), internet(), wall_s=0)
    seen = []
    for _ in range(4):
        found = rig.ask(query(TIKTOK_NAME))
        seen.append((found.rcode() == dns.rcode.NXDOMAIN, min(ttls(found))))
        rig.pass_time(50_000)
    assert seen == [(True, 10), (True, 10), (False, 20), (False, 60)]


def test_a_clock_that_is_set_right_decides_from_the_next_query_on(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 50),)), internet(), wall_s=0)
    assert refused(rig)
    assert not refused(rig, at=NOW + 50)


def test_a_newer_policy_is_counted_from_its_own_making(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 1000),)), internet(), wall_s=0)
    rig.pass_time(500_000)
    rig.swap(office(terms=(Term(0, NOW + 1000),), revision=2), made_s=NOW + 940)
    assert refused(rig, at=0)
    rig.pass_time(59_000)
    assert refused(rig, at=0)
    rig.pass_time(1_000)
    assert not refused(rig, at=0)


def test_a_policy_that_is_taken_up_again_goes_on_from_when_it_first_was(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 100),)), internet(), wall_s=0)
    since_ms = rig.clock.boot_ms
    rig.pass_time(100_000)
    assert not refused(rig, at=0)
    rig.engine.swap(rig.snapshot, since_ms)
    assert not refused(rig, at=0)
    rig.engine.swap(rig.snapshot)
    assert refused(rig, at=0)


def test_the_wall_clock_does_not_age_the_cache(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query(PLAIN))
    for wall_s in (NOW + 366 * DAY, NOW, 0, NOW - 59):
        rig.clock.now_s = wall_s
        assert ttls(rig.at_once(query(PLAIN))) == [300]
    rig.clock.now_ns += 10 * 1_000_000_000
    assert ttls(rig.at_once(query(PLAIN))) == [290]
    rig.clock.now_ns += 290 * 1_000_000_000
    assert isinstance(rig.judge(query(PLAIN)), Miss)


def test_retries_follow_boot_time_and_not_the_wall_clock(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    waiting = rig.begin(query(PLAIN), MECHELEN)
    rig.until_asked(1)
    rig.clock.now_s += 366 * DAY
    rig.settle()
    assert len(rig.upstream.asked) == 1
    rig.clock.now_s = 0
    rig.upstream.behave = says(RECORDS)
    rig.pass_time(3_000)
    assert data(waiting()) == ["A 198.51.100.10"]


# The second in which a period begins or ends.

EDGE = NOW + 30


def _bound_until(end: Instant | None, start: Instant = 0) -> Policy:
    return policy(
        *NETWORKS, TIKTOK, ban(1, "ghent", "tiktok"), Binding(1, 1, "police", Ground.LAW, start, end), revision=1
    )


def _exempted(start: Instant, end: Instant) -> Exemption:
    return exemption(1, 1, [GHENT_RANGE], start, end)


EDGES: dict[str, tuple[Policy, str, bool]] = {
    "a term begins": (office(terms=(Term(EDGE),)), GHENT, True),
    "a term ends": (office(terms=(Term(0, EDGE),)), GHENT, False),
    "a term is recorded after its start": (office(terms=(Term(0, None, recorded=EDGE),)), GHENT, True),
    "an exemption begins": (office(_exempted(EDGE, NOW + DAY)), GHENT, False),
    "an exemption ends": (office(_exempted(0, EDGE)), GHENT, True),
    "an exemption is approved after its start": (
        office(exemption(1, 1, [GHENT_RANGE], 0, NOW + DAY, approved=EDGE)),
        GHENT,
        False,
    ),
    "a binding begins": (_bound_until(None, EDGE), BOUND, True),
    "a binding ends": (_bound_until(EDGE), BOUND, False),
    "a suspension begins": (office(Suspension("ghent", EDGE, EDGE + HOUR)), GHENT, False),
    "a suspension of all begins": (office(Suspension(None, EDGE, EDGE + HOUR)), GHENT, False),
    "a suspension ends": (office(Suspension("ghent", 0, EDGE)), GHENT, True),
}
each_edge = each_row(("rules", "client", "after"), EDGES.values(), ids=EDGES.keys())


@each_edge
def test_what_begins_or_ends_does_so_in_the_second_that_it_names(
    start: Start, rules: Policy, client: str, after: bool
) -> None:
    rig = start(rules, internet())
    seen = [refused(rig, client, at) for at in (EDGE - 1, EDGE, EDGE + 1)]
    assert seen == [not after, after, after]


@each_edge
def test_no_answer_may_be_kept_past_that_second(start: Start, rules: Policy, client: str, after: bool) -> None:
    records = {(TIKTOK_NAME, "A"): (f"{TIKTOK_NAME}. 3000 A 192.0.2.100",)}
    rig = start(rules, Scripted(says(records)))
    rig.ask(query(TIKTOK_NAME), MECHELEN)
    seen = []
    for before_s in (45, 30, 2, 1):
        rig.clock.now_s = EDGE - before_s
        found = rig.at_once(query(TIKTOK_NAME), client)
        seen.append(ttls(found))
    assert seen == ([[45], [30], [2], [1]] if after else [[]] * 4)


# A term that follows another.

SUCCESSIONS: dict[str, tuple[tuple[Term, ...], set[int]]] = {
    "terms that touch leave no gap": ((Term(NOW, NOW + 5), Term(NOW + 5, NOW + 10)), set(range(10))),
    "in either order": ((Term(NOW + 5, NOW + 10), Term(NOW, NOW + 5)), set(range(10))),
    "a second between them is a second without a ban": (
        (Term(NOW, NOW + 5), Term(NOW + 6, NOW + 10)),
        set(range(10)) - {5},
    ),
    "terms that overlap last until the later end": ((Term(NOW, NOW + 7), Term(NOW + 3, NOW + 10)), set(range(10))),
    "a term within another adds nothing": ((Term(NOW, NOW + 10), Term(NOW + 3, NOW + 5)), set(range(10))),
    "an open term ends nothing": ((Term(NOW, NOW + 5), Term(NOW + 5)), set(range(15))),
    "a renewal that is recorded late leaves what it left": (
        (Term(NOW, NOW + 5), Term(NOW + 5, NOW + 10, recorded=NOW + 8)),
        {0, 1, 2, 3, 4, 8, 9},
    ),
}


@each_row(("terms", "held"), SUCCESSIONS.values(), ids=SUCCESSIONS.keys())
def test_succession(start: Start, terms: tuple[Term, ...], held: set[int]) -> None:
    rig = start(office(terms=terms), internet())
    assert {second for second in range(15) if refused(rig, at=NOW + second)} == held


def test_terms_that_touch_cut_no_ttl_where_they_do(start: Start) -> None:
    rig = start(office(terms=(Term(NOW, NOW + 5), Term(NOW + 5, NOW + 50)), reply=Reply.NXDOMAIN), internet())
    assert ttls(rig.at_once(query(TIKTOK_NAME))) == [10]
    assert ttls(rig.at_once(query(TIKTOK_NAME), later_s=45)) == [5]


# Periods that begin or end while clients wait for upstream.


def waiting(rig: Rig, name: str, transport: Transport) -> list[Callable[[], dns.message.Message]]:
    """Let a client of Mechelen, which no ban concerns, ask first. Then let a client of Ghent ask the same question."""
    found = [rig.begin(query(name), client, transport) for client in (MECHELEN, GHENT)]
    rig.until_asked(1)
    rig.settle()
    assert len(rig.upstream.asked) == 1
    return found


def come(rig: Rig, name: str) -> None:
    """Let upstream answer the last question."""
    asked = rig.upstream.asked[-1]
    rig.upstream.say(asked, reply(asked, RECORDS[name, "A"]))


BEGINS = ["a term begins", "a term is recorded after its start", "an exemption ends", "a suspension ends"]
ENDS = ["a term ends", "an exemption begins", "an exemption is approved after its start", "a suspension begins"]


@each_transport
@each_row("name", [TIKTOK_NAME, VIDEO])
@each_row("edge", BEGINS)
def test_a_ban_that_comes_to_hold_while_clients_wait_refuses_its_own_and_no_other(
    start: Start, edge: str, name: str, transport: Transport
) -> None:
    rig = start(EDGES[edge][0], Scripted(silent), wall_s=EDGE - 1)
    neighbour, own = waiting(rig, name, transport)
    rig.pass_time(1000)
    come(rig, name)
    assert (neighbour().rcode(), own().rcode()) == (NOERROR, REFUSED)
    assert rig.pairs()["ghent", "tiktok"] == (1, 0, 0)


@each_transport
@each_row("edge", ENDS)
def test_a_ban_that_ceases_to_hold_while_clients_wait_refuses_nobody(
    start: Start, edge: str, transport: Transport
) -> None:
    rig = start(EDGES[edge][0], Scripted(silent), wall_s=EDGE - 1)
    neighbour, own = waiting(rig, VIDEO, transport)
    rig.pass_time(1000)
    come(rig, VIDEO)
    assert data(neighbour()) == data(own()) == ["CNAME www.tiktok.com.", "A 192.0.2.100"]
    assert rig.pairs()["ghent", "tiktok"] == (0, 0, int(edge != "a term ends"))


@each_transport
def test_a_second_before_its_end_a_term_still_refuses_who_waited(start: Start, transport: Transport) -> None:
    rig = start(EDGES["a term ends"][0], Scripted(silent), wall_s=EDGE - 2)
    neighbour, own = waiting(rig, VIDEO, transport)
    rig.pass_time(1000)
    come(rig, VIDEO)
    assert ttls(neighbour()) == [60, 60]
    assert own().rcode() == REFUSED


@each_transport
def test_who_waited_gets_no_ttl_past_what_comes_next(start: Start, transport: Transport) -> None:
    rig = start(office(terms=(Term(EDGE + 7),)), Scripted(silent), wall_s=EDGE)
    neighbour, own = waiting(rig, TIKTOK_NAME, transport)
    rig.pass_time(2000)
    come(rig, TIKTOK_NAME)
    assert (ttls(neighbour()), ttls(own())) == ([60], [5])


@each_transport
@each_row(("edge", "expected"), [("a term begins", REFUSED), ("a term ends", NOERROR)])
def test_a_term_counts_as_it_is_when_the_last_leg_of_a_chain_arrives(
    start: Start, edge: str, expected: int, transport: Transport
) -> None:
    rig = start(EDGES[edge][0], Scripted(silent), wall_s=EDGE - 1)
    neighbour, own = waiting(rig, VIDEO, transport)
    first = rig.upstream.asked[0]
    rig.upstream.say(first, reply(first, ("video.example.org. 300 CNAME www.tiktok.com.",)))
    rig.until_asked(2)
    late = rig.begin(query(VIDEO), GHENT, transport)
    rig.settle()
    rig.clock.now_s += 1
    come(rig, TIKTOK_NAME)
    assert (neighbour().rcode(), own().rcode(), late().rcode()) == (NOERROR, expected, expected)
    assert len(rig.upstream.asked) == 2


@each_transport
def test_a_term_that_began_meanwhile_turns_a_failure_into_a_refusal(start: Start, transport: Transport) -> None:
    rig = start(EDGES["a term begins"][0], Scripted(fails(SERVFAIL)), wall_s=EDGE - 1)
    assert rig.ask(query(f"before.{TIKTOK_NAME}"), GHENT, transport).rcode() == SERVFAIL
    rig.upstream.behave = silent
    neighbour, own = (rig.begin(query(TIKTOK_NAME), client, transport) for client in (MECHELEN, GHENT))
    for _ in range(6):
        rig.pass_time(1000)
    assert (neighbour().rcode(), own().rcode()) == (SERVFAIL, REFUSED)


@each_transport
def test_a_term_that_began_meanwhile_refuses_what_would_be_served_stale(start: Start, transport: Transport) -> None:
    rig = start(office(terms=(Term(NOW + 400),)), internet())
    rig.ask(query(VIDEO))
    rig.clock.advance(399_000)
    rig.upstream.behave = silent
    neighbour, own = (rig.begin(query(VIDEO), client, transport) for client in (MECHELEN, GHENT))
    for _ in range(6):
        rig.pass_time(1000)
    assert edes(neighbour()) == [(3, "")]
    assert own().rcode() == REFUSED


def test_a_clock_set_back_while_a_client_waits_decides_as_it_then_is(start: Start) -> None:
    rig = start(office(terms=(Term(NOW + 5),)), Scripted(silent), wall_s=NOW)
    rig.pass_time(4_900)
    neighbour, own = waiting(rig, TIKTOK_NAME, Transport.UDP)
    rig.clock.advance(100)
    rig.clock.now_s = 0
    come(rig, TIKTOK_NAME)
    assert (neighbour().rcode(), own().rcode()) == (NOERROR, REFUSED)


# The wall clock jumps ahead.


def test_a_clock_that_jumps_ahead_lifts_no_ban_until_its_reference_follows(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 30 * DAY), Term(NOW + 300 * DAY, NOW + 301 * DAY))), internet(), wall_s=NOW)
    rig.engine.swap(rig.snapshot, reference=Reference(NOW, rig.clock.boot_ms))
    assert refused(rig, at=NOW + 400 * DAY)
    rig.clock.advance(29 * DAY * 1000)
    assert refused(rig)
    rig.clock.advance(DAY * 1000)
    assert not refused(rig)
    assert refused(rig, at=NOW + 30 * DAY - 1)
    ahead_s = NOW + 300 * DAY
    assert not refused(rig, at=ahead_s)
    rig.engine.swap(rig.snapshot, reference=Reference(ahead_s, rig.clock.boot_ms))
    assert refused(rig)


@each_transport
def test_a_client_that_waits_while_the_clock_jumps_ahead_is_refused(start: Start, transport: Transport) -> None:
    rig = start(office(terms=(Term(NOW + 1, NOW + DAY),)), Scripted(silent), wall_s=NOW)
    rig.engine.swap(rig.snapshot, reference=Reference(NOW, rig.clock.boot_ms))
    neighbour, own = waiting(rig, TIKTOK_NAME, transport)
    rig.clock.advance(1_000)
    rig.clock.now_s += 400 * DAY
    come(rig, TIKTOK_NAME)
    assert (neighbour().rcode(), own().rcode()) == (NOERROR, REFUSED)


# A real node.


UNSYNCHRONIZED = (
    "from dnsfilter.local import believed_clock\n"
    "class Kernel:\n"
    "    adjtimex = staticmethod(lambda _: 5)\n"
    "believed_clock._libc = Kernel\n"
    "from dnsfilter.cli.program import main\n"
    "main()"
)
"""A node on a kernel whose clock no NTP client has set, also if the one of this machine is synchronized."""


class Unsynchronized(PublishedNode):
    is_forked = False

    def command(self) -> list[str]:
        return [sys.executable, "-c", UNSYNCHRONIZED, *super().command()[1:]]


def test_a_node_whose_clock_has_jumped_ahead_says_so_and_holds_its_bans(tmp_path: Path, authority: Knot) -> None:
    now_s, boot_ms = int(time.time()), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    before_s = now_s - 400 * DAY
    lapsed = office(terms=(Term(0, now_s - DAY),))
    with Unsynchronized(tmp_path, authority.hostport, lapsed, made_s=before_s - DAY) as node:
        assert node.dig(TIKTOK_NAME, bind=GHENT).rcode == "NOERROR"
    believed = {"instant": instant_text(before_s), "boot_ms": boot_ms, "boot": this_boot()}
    (node.state / "node" / "clock.json").write_text(json.dumps(believed))
    with node:
        assert node.dig(TIKTOK_NAME, bind=GHENT).rcode == "REFUSED"
        assert eventually(lambda: node.metrics()["dnsfilter_clock_doubted"] == 1)
        assert node.logged("clock has jumped ahead and is not trusted")
        assert DAY <= node.metrics()["dnsfilter_snapshot_age_seconds"] < DAY + HOUR
        first = node.worker_pid()
        os.kill(first, signal.SIGKILL)
        assert node.dig(TIKTOK_NAME, bind=GHENT, extra=["+tries=5"]).rcode == "REFUSED"
        assert node.worker_pid() != first
        node.config.write_text(f"trust_clock = true\n{node.config.read_text()}")
        assert node.process is not None
        node.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: node.dig(TIKTOK_NAME, bind=GHENT).rcode == "NOERROR")
        assert eventually(lambda: node.metrics()["dnsfilter_clock_doubted"] == 0)
        assert eventually(lambda: node.logged("clock is trusted again"))


def test_a_node_whose_clock_is_behind_its_policy_says_so_and_lets_no_ended_term_revive(
    tmp_path: Path, authority: Knot
) -> None:
    made_s = int(time.time()) + DAY
    with PublishedNode(tmp_path, authority.hostport, office(terms=(Term(0, made_s + 5),)), made_s=made_s) as node:
        assert eventually(lambda: node.metrics()["dnsfilter_clock_doubted"] == 1)
        assert "clock is earlier than the policy" in node.log.read_text()
        assert eventually(lambda: node.dig(TIKTOK_NAME, bind=GHENT).rcode == "NOERROR")
        assert 5 <= node.metrics()["dnsfilter_snapshot_age_seconds"] < HOUR
        first = node.worker_pid()
        os.kill(first, signal.SIGKILL)
        assert node.dig(TIKTOK_NAME, bind=GHENT, extra=["+tries=5"]).rcode == "NOERROR"
        assert node.worker_pid() != first
        node.publish(office(terms=(Term(0),), revision=2))
        assert eventually(lambda: node.metrics()["dnsfilter_clock_doubted"] == 0)
        assert node.dig(TIKTOK_NAME, bind=GHENT).rcode == "REFUSED"


@pytest.mark.parametrize("edited", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_start_with_the_clock_set_right_cures_a_making_that_was_ahead(
    tmp_path: Path, authority: Knot, edited: bool
) -> None:
    """Cover a changed policy too: with `edited`, the policy file becomes a new revision."""
    node = Node(tmp_path, authority.hostport, policy=EXAMPLE.read_text())
    store = SnapshotStore(node.state / "policy-snapshots")
    with node:
        assert node.metrics()["dnsfilter_snapshot_revision"] == 1
    ahead = int(time.time()) + 40 * 365 * DAY
    store.publish(compile_policy(office(terms=(Term(0, ahead - DAY),), revision=1), ahead))
    if edited:
        node.policy.write_text(node.policy.read_text() + "# a comment\n")
    with node:
        assert node.dig(TIKTOK_NAME, bind=GHENT).rcode == "REFUSED"
        metrics = node.metrics()
        assert (metrics["dnsfilter_snapshot_revision"], metrics["dnsfilter_clock_doubted"]) == (1 + edited, 0)
        assert metrics["dnsfilter_snapshot_age_seconds"] < HOUR
    assert opened(store).made_s < ahead - DAY
