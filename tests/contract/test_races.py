"""With `race`, a question goes to two servers at once. The first acceptable answer counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.rcode
import pytest

from dnsfilter.config.node_config import Strategy
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.health import FAILURES_TO_BACK_OFF, SILENCE_TO_BE_GONE_MS
from tests.contract.cases import office
from tests.support.engines import KINDS, Rig, query, running
from tests.support.scripted import Asked, Scripted, fails, reply, silent, truncated

pytestmark = pytest.mark.parametrize("kind", KINDS)


@contextmanager
def race(kind: str, *upstreams: Scripted) -> Iterator[Rig]:
    with running(kind, office(), *upstreams, strategy=Strategy.RACE) as rig:
        yield rig


def answer(asked: Asked) -> bytes:
    return reply(asked, (f"{asked.name}. 300 A 192.0.2.1",))


def closed() -> Scripted:
    """Return an upstream whose port is closed."""
    upstream = Scripted(silent)
    upstream.close()
    return upstream


def answers(asked: Asked) -> tuple[bytes, ...]:
    return (answer(asked),)


def begin(rig: Rig, name: str = "www.example.org", racers: tuple[int, ...] = (0, 1)) -> Any:
    """Ask until the racers have the question. Return how to wait for the reply."""
    before = counts(rig)
    wait = rig.begin(query(name))
    rig.until(lambda: b"" if all(counts(rig)[server] > before[server] for server in racers) else None)
    return wait


def without_edns(asked: Asked) -> tuple[bytes, ...]:
    """Answer FORMERR without an OPT to queries with one."""
    return (asked.message[:2] + b"\x81\x81" + bytes(8),) if asked.message[11] else (answer(asked),)


def counts(rig: Rig) -> list[int]:
    return [len(upstream.asked) for upstream in rig.upstreams]


def failures(rig: Rig) -> dict[str, int]:
    """Return all failures of each reason, with its server. Leave out those that did not happen."""
    slots = upstream_slots(len(rig.upstreams))
    found = {
        f"{reason.value} {server}": rig.counters.slots[slots[server].failure(reason)]
        for server in range(len(slots))
        for reason in Failure
    }
    return {key: number for key, number in found.items() if number}


def say(rig: Rig, server: int, message: bytes | None = None) -> None:
    asked = rig.upstreams[server].asked[-1]
    rig.upstreams[server].say(asked, answer(asked) if message is None else message)


@pytest.mark.parametrize("winner", [0, 1])
def test_the_first_answer_counts_and_the_other_one_is_no_failure(kind: str, winner: int) -> None:
    with race(kind, Scripted(silent), Scripted(silent)) as rig:
        wait = begin(rig)
        say(rig, winner)
        assert wait().rcode() == dns.rcode.NOERROR
        say(rig, 1 - winner)
        rig.settle()
        assert (counts(rig), failures(rig)) == ([1, 1], {})
        say(rig, 1 - winner)  # the same answer again
        rig.settle()
        assert failures(rig) == {f"late {1 - winner}": 1}


def test_both_ids_differ(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(answers)) as rig:
        for number in range(4):
            rig.ask(query(f"n{number}.example.org"))
        pairs = zip(*(upstream.asked for upstream in rig.upstreams), strict=True)
        assert any(one.id != other.id for one, other in pairs)


def test_two_fastest_servers_race_and_the_loser_is_timed(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent), Scripted(silent)) as rig:
        for name, racers, slow in (
            ("a.example.org", (0, 1), 0),
            ("b.example.org", (1, 2), 2),
            ("c.example.org", (1, 2), 2),
        ):
            # Servers without a time are asked first.
            wait = begin(rig, name, racers)
            (fast,) = set(racers) - {slow}
            rig.clock.advance(4)
            say(rig, fast)
            wait()
            rig.clock.advance(40 if slow == 0 else 8)
            say(rig, slow)
            rig.settle()
        assert counts(rig) == [1, 3, 2]
        assert failures(rig) == {}


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_failure_of_one_leaves_the_wait_for_the_other(kind: str, failing: int, rcode: dns.rcode.Rcode) -> None:
    behaviours = [fails(rcode) if server == failing else silent for server in range(2)]
    with race(kind, *map(Scripted, behaviours)) as rig:
        wait = begin(rig)
        rig.settle()
        assert counts(rig) == [1, 1]
        say(rig, 1 - failing)
        assert wait().rcode() == dns.rcode.NOERROR
        assert counts(rig) == [1, 1]


def test_both_fail(kind: str) -> None:
    with race(kind, Scripted(fails(dns.rcode.SERVFAIL)), Scripted(fails(dns.rcode.SERVFAIL))) as rig:
        assert rig.ask(query("www.example.org")).rcode() == dns.rcode.SERVFAIL
        assert (counts(rig), failures(rig)) == ([1, 1], {"servfail 0": 1, "servfail 1": 1})


def test_third_server_is_asked_if_both_fail(kind: str) -> None:
    refusing = [Scripted(fails(dns.rcode.REFUSED)) for _ in range(2)]
    with race(kind, *refusing, Scripted(answers)) as rig:
        assert rig.ask(query("www.example.org")).rcode() == dns.rcode.NOERROR
        assert counts(rig) == [1, 1, 1]


def test_both_are_silent(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent), Scripted(answers)) as rig:
        wait = begin(rig)
        rig.pass_time(1_000)
        assert wait().rcode() == dns.rcode.NOERROR
        assert (counts(rig), failures(rig)) == ([1, 1, 1], {"timeout 0": 1, "timeout 1": 1})


@pytest.mark.parametrize("shut", [0, 1])
def test_closed_port_leaves_the_wait_for_the_other(kind: str, shut: int) -> None:
    with race(kind, *(closed() if server == shut else Scripted(silent) for server in range(2))) as rig:
        wait = begin(rig, racers=(1 - shut,))
        rig.settle()
        say(rig, 1 - shut)
        assert wait().rcode() == dns.rcode.NOERROR
        assert counts(rig)[1 - shut] == 1
        assert failures(rig) == {f"unreachable {shut}": 1}


def test_truncated_answer_wins_and_is_asked_for_by_stream(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent)) as rig:
        wait = begin(rig)
        say(rig, 1, truncated(rig.upstreams[1].asked[0]))
        rig.settle()
        assert [event.server for event in rig.by_stream] == [1]
        rig.complete(lambda upstream, _: answer(Asked(_, "www.example.org", "A", True, ("", 0))))
        assert wait().rcode() == dns.rcode.NOERROR
        say(rig, 0)
        rig.settle()
        assert failures(rig) == {}


@pytest.mark.parametrize("lacking", [0, 1])
def test_server_without_edns_is_asked_again_without(kind: str, lacking: int) -> None:
    behaviours = [without_edns if server == lacking else silent for server in range(2)]
    with race(kind, *map(Scripted, behaviours)) as rig:
        for name in ("www.example.org", "other.example.org"):
            assert rig.ask(query(name)).rcode() == dns.rcode.NOERROR
        assert counts(rig)[lacking] == 3
        assert failures(rig) == {f"refused {lacking}": 1}


def test_rival_may_answer_after_a_server_without_edns(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent)) as rig:
        wait = begin(rig)
        say(rig, 0, without_edns(rig.upstreams[0].asked[0])[0])
        rig.until(lambda: b"" if counts(rig) == [2, 1] else None)
        say(rig, 1)
        assert wait().rcode() == dns.rcode.NOERROR


def test_several_races_find_that_a_server_lacks_edns(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent)) as rig:
        waits = [begin(rig, f"n{number}.example.org") for number in range(4)]
        for asked in list(rig.upstreams[1].asked):
            rig.upstreams[1].say(asked, without_edns(asked)[0])
        rig.until(lambda: b"" if counts(rig) == [4, 8] else None)
        for asked in rig.upstreams[1].asked[4:]:
            rig.upstreams[1].say(asked, answer(asked))
        assert [wait().rcode() for wait in waits] == [dns.rcode.NOERROR] * 4


def test_server_that_refuses_a_little_later_is_raced_no_more(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(silent)) as rig:
        for number in range(FAILURES_TO_BACK_OFF):
            wait = begin(rig, f"n{number}.example.org")
            say(rig, 0)
            wait()
            say(rig, 1, reply(rig.upstreams[1].asked[-1], rcode=dns.rcode.REFUSED))
            rig.settle()
        begin(rig, "next.example.org", (0,))
        rig.settle()
        assert "next.example.org" not in [one.name for one in rig.upstreams[1].asked]


def test_silent_server_is_raced_no_more_until_it_answers_a_probe(kind: str) -> None:
    with race(kind, Scripted(silent), Scripted(answers)) as rig:
        for number in range(FAILURES_TO_BACK_OFF):
            rig.ask(query(f"n{number}.example.org"))
        rig.pass_time(SILENCE_TO_BE_GONE_MS)
        assert (counts(rig), failures(rig)) == ([FAILURES_TO_BACK_OFF, FAILURES_TO_BACK_OFF], {})
        rig.ask(query("next.example.org"))
        rig.settle()
        asked = rig.upstreams[0].asked
        assert [one.name for one in asked[FAILURES_TO_BACK_OFF:]] in ([], [""])  # a probe at most
        rig.upstreams[0].behave = answers
        rig.ask(query("wants.a.probe.example.org"))
        rig.pass_time(1_000)
        rig.ask(query("wants.one.more.example.org"))
        rig.pass_time(5_000)
        rig.ask(query("tried.example.org"))
        assert asked[-1].name == "tried.example.org"
