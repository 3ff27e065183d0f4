"""RFC 8767 section 5, RFC 9520 section 3.1: a slow answer reaches the clients that wait for it, once."""

from collections.abc import Iterable
from functools import partial

import dns.rcode

from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS, TOTAL_MS
from dnsfilter.upstream.health import SILENCE_TO_BE_GONE_MS
from tests.contract.cases import office
from tests.support.engines import GHENT, Rig, data, edes, parsed, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, silent
from tests.support.starting import Start

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.1"]
STEP_MS = 100


def true_answer(asked: Asked, ttl: int = 300) -> bytes:
    return reply(asked, (f"{asked.name}. {ttl} A 198.51.100.1",))


class Slow:
    """Upstreams that answer each question, but only after `delay_ms`, as `pass_time` counts it."""

    def __init__(self, delay_ms: int, *, ttl: int = 300, servers: int = 1) -> None:
        self.upstreams = [Scripted(silent) for _ in range(servers)]
        for upstream in self.upstreams:
            upstream.behave = partial(self._hold, upstream)
        self.delay_ms = delay_ms
        self._now_ms = 0
        self._ttl = ttl
        self._held: list[tuple[int, Scripted, Asked]] = []

    def _hold(self, upstream: Scripted, asked: Asked) -> Iterable[bytes]:
        self._held.append((self._now_ms + self.delay_ms, upstream, asked))
        return ()

    def pass_time(self, rig: Rig, milliseconds: int) -> None:
        """Pass time in small steps, and send the answers that are due."""
        for _ in range(milliseconds // STEP_MS):
            rig.pass_time(STEP_MS)
            self._now_ms += STEP_MS
            due = [held for held in self._held if held[0] <= self._now_ms]
            self._held = [held for held in self._held if held not in due]
            for _, upstream, asked in due:
                upstream.say(asked, true_answer(asked, self._ttl))
            rig.settle()


@each_row("transport", tuple(Transport))
@each_row("delay_ms", [1_900, 2_400, 3_000, 4_000, TOTAL_MS - STEP_MS])
def test_an_answer_after_1800_ms_reaches_the_client_that_waits(
    start: Start, delay_ms: int, transport: Transport
) -> None:
    slow = Slow(delay_ms)
    rig = start(office(), *slow.upstreams)
    wait = rig.begin(query(NAME), transport=transport)
    rig.until_asked(1)
    slow.pass_time(rig, delay_ms)
    assert data(wait()) == TRUTH
    assert rig.outcomes() == {(transport.value, "forwarded"): 1}


def test_a_server_that_was_fast_before_may_become_slow(start: Start) -> None:
    slow = Slow(0)
    rig = start(office(), *slow.upstreams)
    for number in range(20):
        wait = rig.begin(query(f"n{number}.example.org"))
        rig.until_asked(number + 1)
        slow.pass_time(rig, STEP_MS)
        assert data(wait()) == TRUTH
    slow.delay_ms = 3_000
    wait = rig.begin(query(NAME))
    rig.until_asked(21)
    slow.pass_time(rig, 3_000)
    assert data(wait()) == TRUTH


def test_a_client_gets_one_reply_however_late_further_answers_come(start: Start) -> None:
    slow = Slow(3_000)
    rig = start(office(), *slow.upstreams)
    client = rig.send(query(NAME))
    rig.until_asked(1)
    slow.pass_time(rig, 3_000)
    assert data(rig.wait(client)) == TRUTH
    slow.pass_time(rig, 4_000)
    assert client.receive() is None


def test_a_client_that_got_servfail_gets_no_second_reply(start: Start) -> None:
    slow = Slow(TOTAL_MS + 200)
    rig = start(office(), *slow.upstreams)
    client = rig.send(query(NAME))
    rig.until_asked(1)
    slow.pass_time(rig, TOTAL_MS)
    found = rig.wait(client)
    assert (found.rcode(), edes(found)) == (dns.rcode.SERVFAIL, [(22, "")])
    slow.pass_time(rig, 5_000)
    assert client.receive() is None


def test_a_client_that_got_a_stale_answer_gets_no_second_reply_and_the_late_one_is_cached(start: Start) -> None:
    slow = Slow(0, ttl=1)
    rig = start(office(), *slow.upstreams)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    slow.pass_time(rig, STEP_MS)
    assert data(wait()) == TRUTH
    slow.pass_time(rig, 2_000)
    slow.delay_ms = 3_000
    client = rig.send(query(NAME))
    rig.until_asked(2)
    slow.pass_time(rig, 1_800)
    assert edes(rig.wait(client)) == [(3, "")]
    slow.pass_time(rig, 1_200)
    assert client.receive() is None
    assert edes(rig.at_once(query(NAME))) == []


@each_row("servers", [1, 2])
def test_all_clients_of_slow_servers_are_answered_also_while_these_miss_probes(start: Start, servers: int) -> None:
    slow = Slow(3_000, servers=servers)
    rig = start(office(), *slow.upstreams)
    waits = []
    for number in range(50):
        waits.append(rig.begin(query(f"n{number}.example.org")))
        rig.settle()
        slow.pass_time(rig, STEP_MS)
    slow.pass_time(rig, TOTAL_MS)
    assert [data(wait()) for wait in waits] == [TRUTH] * 50


def test_servers_that_are_silent_for_long_are_gone_and_new_questions_fail_at_once(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    for number in range(8):
        rig.begin(query(f"n{number}.example.org"))
    rig.until_asked(8)
    for _ in range(SILENCE_TO_BE_GONE_MS // 500):
        rig.pass_time(500)
        rig.send(query(f"more{rig.clock.boot_ms}.example.org"))
        rig.settle()
    assert edes(rig.at_once(query("last.example.org"))) == [(22, ""), (13, "")]


def test_the_wait_ends_as_soon_as_all_servers_have_failed(start: Start) -> None:
    first, second = Scripted(silent), Scripted(silent)
    rig = start(office(), first, second)
    client = rig.send(query(NAME))
    rig.until_asked(1)
    while len(first.asked) + len(second.asked) < 4:
        rig.pass_time(STEP_MS)
    for upstream in (first, second):
        for asked in upstream.asked:
            upstream.say(asked, reply(asked, rcode=dns.rcode.SERVFAIL))
        rig.settle()
    assert rig.wait(client).rcode() == dns.rcode.SERVFAIL
    assert rig.clock.boot_ms < 1_000 + TOTAL_MS


@each_row(("servers", "sends"), [(1, 3), (2, 4), (3, 4)])
def test_a_timeout_counts_once_for_each_send(start: Start, servers: int, sends: int) -> None:
    rig = start(office(), *(Scripted(silent) for _ in range(servers)))
    wait = rig.begin(query(NAME), GHENT)
    rig.until_asked(1)
    for _ in range(TOTAL_MS // STEP_MS + 1):
        rig.pass_time(STEP_MS)
    assert wait().rcode() == dns.rcode.SERVFAIL
    slots = upstream_slots(servers)
    assert sum(len(upstream.asked) for upstream in rig.upstreams) == sends
    assert sum(rig.counters.slots[each.failure(Failure.TIMEOUT)] for each in slots) == sends


def test_a_question_that_is_lost_three_times_is_answered_by_the_fourth_send(start: Start) -> None:
    lost: list[Asked] = []

    def lossy(asked: Asked) -> Iterable[bytes]:
        lost.append(asked)
        return (true_answer(asked),) if len(lost) > 3 else ()

    rig = start(office(), Scripted(lossy), Scripted(lossy))
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    while len(lost) < 4:
        rig.pass_time(STEP_MS)
    assert data(wait()) == TRUTH
    assert [len(upstream.asked) for upstream in rig.upstreams] == [2, 2]


def test_what_one_server_cannot_resolve_fails_without_a_long_wait_for_another_that_is_gone(start: Start) -> None:
    gone = Scripted(silent)
    rig = start(office(), gone, Scripted(lambda asked: (reply(asked, rcode=dns.rcode.SERVFAIL),)))
    for _ in range(2 * SILENCE_TO_BE_GONE_MS // 500):
        rig.send(query(f"n{rig.clock.boot_ms}.example.org"))
        rig.settle()
        rig.pass_time(500)
    began_ms = rig.clock.boot_ms
    client = rig.send(query(NAME))
    rig.settle()
    found = client.receive()
    while found is None:
        rig.pass_time(STEP_MS)
        found = client.receive()
    assert parsed(found).rcode() == dns.rcode.SERVFAIL
    assert rig.clock.boot_ms - began_ms <= 2 * LONGEST_FIRST_WAIT_MS
