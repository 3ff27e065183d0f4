"""Ordinary questions on their way in C: bounds, joining, matching."""

import socket
from collections.abc import Sequence
from typing import Any

import pytest

from dnsfilter.engine.exchange import Gone, Got
from dnsfilter.engine.inflight import MOST_WAITERS
from dnsfilter.engine.room import MOST_EXCHANGES
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.wire.iana import Type
from dnsfilter.wire.query import Question, build_upstream_query
from tests.support.engines import query
from tests.support.scripted import Scripted, lies, silent
from tests.unit.engine.compiled.pendings import KNOWN, LIMITS, NAME, PATIENCE_S, bench, engine, is_empty, parsed


def test_an_ordinary_answer_ends_the_wait_and_leaves_nothing_behind() -> None:
    with bench(Scripted(KNOWN)) as at:
        assert at.ask(ticket=7) == "sent"
        at.now_ms += 3
        at.serve()
        ((answer, tickets),) = at.await_datagram()
        assert tickets == [7]
        assert answer == next(iter(KNOWN(at.upstreams[0].asked[0])))
        assert is_empty(at)
        duration = upstream_slots(1)[0].duration
        assert (at.queries(), at.slots[duration.bucket(3_000_000)], at.slots[duration.sum]) == (1, 1, 3_000_000)
        assert (at.pending.health.rtt_ms(0), at.expire(10_000)) == (3.0, [])


@pytest.mark.parametrize("want_ad", [False, True])
@pytest.mark.parametrize("cd", [False, True])
@pytest.mark.parametrize("do", [None, False, True])
def test_the_question_is_written_as_by_python(want_ad: bool, cd: bool, do: bool | None) -> None:
    message = query("MiXed.example.org", Type.MX, edns=False if do is None else 0, do=bool(do), cd=cd)
    with bench(Scripted(silent), want_ad=want_ad) as at:
        at.ask(message=message)
        at.serve()
        (asked,) = at.upstreams[0].asked
        name = parsed(message).question.name
        question = Question(name + message[12 + len(name) :][:4], name, Type.MX, 1)
        assert asked.message == build_upstream_query(question, id=asked.id, cd=cd, do=bool(do), ad=want_ad)


def test_equal_questions_join_up_to_the_bound_on_waiters() -> None:
    with bench(Scripted(KNOWN)) as at:
        said = [at.ask(client=bytes((127, 0, 5, n % 100)), ticket=n) for n in range(MOST_WAITERS + 1)]
        assert said == ["sent"] + ["joined"] * (MOST_WAITERS - 1) + ["full"]
        at.serve()
        assert len(at.upstreams[0].asked) == 1
        ((_, tickets),) = at.await_datagram()
        assert tickets == list(range(MOST_WAITERS))
        assert is_empty(at)


@pytest.mark.parametrize(
    "other",
    [
        query("other.example.org"),
        query(NAME, Type.AAAA),
        query(NAME, do=True),
        query(NAME, cd=True),
    ],
    ids=["name", "type", "do", "cd"],
)
def test_different_questions_do_not_join(other: bytes) -> None:
    with bench(Scripted(silent)) as at:
        assert [at.ask(), at.ask(message=other), at.ask(), at.ask(message=other)] == ["sent", "sent"] + ["joined"] * 2


def test_different_questions_start_up_to_the_bound_on_exchanges_of_both_ways() -> None:
    with bench(Scripted(silent)) as at:
        half = MOST_EXCHANGES // 2
        for number in range(half):
            at.join(f"n{number}.example.org", bytes((127, 0, 5, number % 100)), qclass=4 if number % 2 else 1)
        said = {at.ask(f"n{number}.example.org", bytes((127, 0, 6, number % 100))) for number in range(half, 2 * half)}
        assert said == {"sent"}
        assert at.ask("one-more.example.org") == "full"
        with pytest.raises(OverflowError):
            at.join("one-more.example.org")
        assert at.ask(f"n{half}.example.org") == "joined"
        assert at.join("n0.example.org") == []
        assert engine.state_of(at.pending)[:2] == (2 * half, half)


def test_one_client_waits_for_a_bounded_number_of_answers_and_anew_once_it_has_them() -> None:
    with bench(Scripted(KNOWN)) as at:
        assert at.ask() == "sent"
        for number in range(LIMITS.waiting_per_client // 2):
            assert at.ask(f"n{number}.example.org") == "sent"
        for number in range(LIMITS.waiting_per_client // 2, LIMITS.waiting_per_client - 1):
            assert at.join(f"n{number}.example.org") == []
        assert at.ask("one-more.example.org") == at.ask() == "full"
        with pytest.raises(OverflowError):
            at.join("one-more.example.org")
        assert at.ask("one-more.example.org", b"\x7f\0\7\x0a") == "sent"
        at.upstreams[0].serve()
        answers = at.read()
        assert len(answers) > LIMITS.waiting_per_client // 4
        assert at.ask("another.example.org") == "sent"


def test_clients_of_one_ipv6_network_are_one() -> None:
    with bench(Scripted(silent)) as at:
        near = [socket.inet_pton(socket.AF_INET6, f"2001:db8::{number:x}") for number in range(600)]
        said = [at.ask(client=client) for client in near]
        assert said.count("full") == 600 - LIMITS.waiting_per_client
        assert at.ask(client=socket.inet_pton(socket.AF_INET6, "2001:db8:0:1::1")) == "joined"


def test_the_alarm_is_when_the_first_wait_ends_and_python_goes_on_then() -> None:
    with bench(Scripted(silent), longest_wait_ms=150) as at:
        assert engine.state_of(at.pending)[4] is None
        at.ask()
        assert engine.state_of(at.pending)[4] == at.now_ms + 150
        assert at.expire(149) == []
        assert len(at.inflight) == at.failures(Failure.TIMEOUT) == 0
        assert at.expire(1) == []
        assert len(at.inflight) == at.failures(Failure.TIMEOUT) == 1
        assert engine.state_of(at.pending)[:2] == (1, 0)
        assert at.inflight.next_alarm_ms() == at.now_ms + 225
        results: list[Any] = []
        for _ in range(10):
            results += at.expire(1_000)
        (gone,) = results
        assert isinstance(gone, Gone)
        assert at.queries() == 3
        at.inflight.finish(gone.exchange)
        assert is_empty(at)


def test_many_deadlines_end_in_their_order_although_some_questions_are_answered_before() -> None:
    with bench(Scripted(silent)) as at:
        for number in range(300):
            at.now_ms += number * 7919 % 5
            at.ask(f"n{number}.example.org")
        at.upstreams[0].serve()
        answered = [asked for asked in at.upstreams[0].asked if int(asked.name[1 : asked.name.index(".")]) % 3]
        for asked in answered:
            at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        left = engine.state_of(at.pending)[1]
        while engine.state_of(at.pending)[1] > 300 - len(answered):
            at.await_datagram()
        assert left == 300
        alarms = []
        while engine.state_of(at.pending)[1]:
            alarms.append(engine.state_of(at.pending)[4])
            at.expire(alarms[-1] - at.now_ms)
        assert alarms == sorted(alarms)
        assert len(alarms) > 60


def test_lies_change_nothing_but_the_counts() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.serve()
        (asked,) = at.upstreams[0].asked
        for lie in lies(asked):
            at.upstreams[0].say(asked, lie)
            assert at.await_datagram() == []
        assert at.failures(Failure.MISMATCH) + at.failures(Failure.MALFORMED) == len(lies(asked))
        at.upstreams[0].say(asked, next(iter(KNOWN(asked))))
        assert [type(result) for result in at.await_datagram()] == [Got]


def test_lies_that_only_miss_leave_the_question_where_it_is() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.serve()
        (asked,) = at.upstreams[0].asked
        forged = next(iter(KNOWN(asked)))
        misses = (b"", b"\0", (asked.id ^ 1).to_bytes(2, "big") + forged[2:], forged[:13] + b"x" + forged[14:])
        for miss in misses:
            at.upstreams[0].say(asked, miss)
            assert at.await_datagram() == []
        assert at.failures(Failure.MISMATCH) == len(misses)
        assert len(at.inflight) == 0
        at.upstreams[0].say(asked, forged)
        assert at.await_datagram() == [(forged, [0])]


def test_what_comes_twice_is_nobodys_the_second_time() -> None:
    with bench(Scripted(lambda asked: [*KNOWN(asked), *KNOWN(asked)])) as at:
        at.ask()
        at.serve()
        at.await_datagram()
        at.await_datagram()
        assert at.failures(Failure.MISMATCH) == 1
        assert is_empty(at)


def test_a_server_in_back_off_is_probed_by_one_question() -> None:
    with bench(Scripted(silent), Scripted(silent)) as at:
        for _ in range(3):
            at.pending.health.failed(0, at.now_ms)
        at.ask("before.example.org")
        at.now_ms += 5_000
        at.ask("probe.example.org")
        at.ask("after.example.org")
        at.serve()
        names = [[asked.name.partition(".")[0] for asked in upstream.asked] for upstream in at.upstreams]
        assert names == [["probe"], ["before", "after"]]


def test_an_icmp_error_about_one_question_does_not_fail_another_on_the_same_socket() -> None:
    gone = Scripted(silent)
    gone.close()
    with bench(gone, pool_size=1) as at:
        at.ask("first.example.org")
        assert at.poller.poll(PATIENCE_S)  # the error waits to be told by the next call on the socket
        assert at.ask("second.example.org") == "sent"
        assert engine.state_of(at.pending)[:2] == (2, 2)


def test_ids_in_use_on_a_socket_are_drawn_for_no_other_question() -> None:
    with bench(Scripted(silent), pool_size=1) as at:
        for number in range(1_000):
            at.ask(f"n{number}.example.org", bytes((127, 0, 5, number % 100)))
        at.upstreams[0].serve()
        ids = [asked.id for asked in at.upstreams[0].asked]
        assert len(ids) == len(set(ids)) > 100


@pytest.mark.parametrize("view", [range(17), ()], ids=["too many", "none"])
def test_a_view_with_more_servers_than_there_is_room_for_is_pythons(view: Sequence[int]) -> None:
    with bench(*(Scripted(silent) for _ in range(17)), view=view) as at:
        assert at.ask() == "elsewhere"
        assert is_empty(at)


def test_a_long_query_waits_in_python() -> None:
    padding = (600).to_bytes(2, "big") + (12).to_bytes(2, "big") + (596).to_bytes(2, "big") + bytes(596)
    padded = query(NAME)[:-2] + padding
    with bench(Scripted(silent)) as at:
        assert at.ask(message=padded) == "elsewhere"
        assert is_empty(at)


def test_idle_sockets_are_retired() -> None:
    with bench(Scripted(KNOWN)) as at:
        at.ask()
        at.serve()
        at.await_datagram()
        at.expire(5_000)
        assert engine.state_of(at.pending)[4] > at.now_ms
        at.expire(31_000)
        assert engine.state_of(at.pending)[3:] == (0, None)


def test_after_closing_the_counters_can_be_unmapped_and_nothing_is_asked() -> None:
    with bench(Scripted(silent)) as at:
        at.ask()
        at.pending.close()
        at.slots.release()
        assert at.ask() == "elsewhere"
        assert engine.state_of(at.pending)[:2] == (0, 0)
        assert engine.upstream_sockets(at.pending) == []
