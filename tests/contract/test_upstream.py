"""Questions to upstreams: joining, retries, other servers, streams."""

import resource
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.engine.interface import Answered, Miss
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.attempt import TOTAL_MS
from dnsfilter.upstream.health import FAILURES_TO_BACK_OFF, SILENCE_TO_BE_GONE_MS
from tests.contract.cases import RECORDS, internet, office
from tests.support.engines import GHENT, KINDS, MECHELEN, Rig, ZoneTo, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, fails, reply, says, silent, truncated
from tests.support.starting import Start

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]


def closed() -> Scripted:
    """Return an upstream whose port is closed."""
    upstream = internet()
    upstream.close()
    return upstream


def true_answer(asked: Asked) -> bytes:
    return reply(asked, RECORDS[NAME, "A"])


def failures(rig: Rig, reason: Failure, server: int = 0) -> int:
    return rig.counters.slots[upstream_slots(server + 1)[server].failure(reason)]


def queries(rig: Rig, server: int = 0) -> int:
    return rig.counters.slots[upstream_slots(server + 1)[server].queries]


# Joining.


def test_questions_that_differ_in_do_or_cd_are_asked_separately(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    for do in (False, True):
        for cd in (False, True):
            rig.begin(query(NAME, do=do, cd=cd))
    rig.until_asked(4)
    rig.settle()
    assert len(held.asked) == 4


def test_waiting_queries_of_a_question_are_limited_in_all_and_for_each_client(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)

    def ask(client: str, times: int) -> list[int]:
        outcome = rig.judge(query(NAME), client, Transport.TCP)
        assert isinstance(outcome, Miss)
        return [rig.forward(outcome) for _ in range(times)]

    flood = ask(GHENT, 600)
    assert [ticket for ticket in flood if ticket in rig.answered] == flood[512:]
    others = [ticket for host in range(1, 9) for ticket in ask(f"127.0.7.{host}", 512)]
    rejected = [ticket for ticket in others if ticket in rig.answered]
    assert rejected == others[4096 - 512 :]
    assert all(dns.message.from_wire(rig.answered[t]).rcode() == dns.rcode.SERVFAIL for t in rejected)
    rig.until_asked(1)
    held.say(held.asked[0], true_answer(held.asked[0]))
    rig.until(lambda: rig.answered.get(flood[0]))
    assert set(rig.answered) == {*flood, *others}
    assert len(held.asked) == 1
    assert rig.outcomes() == {("tcp", "forwarded"): 4096, ("tcp", "limited"): 88 + 512}
    assert rig.responses() == {"NOERROR": 4096, "SERVFAIL": 88 + 512}


@pytest.mark.heavy
@pytest.mark.parametrize("kind", [KINDS[-1], pytest.param("reference", marks=pytest.mark.slow)])
def test_number_of_pending_questions_is_limited(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    refused = 0
    for number in range(4_200):
        client = f"127.0.5.{1 + number % 16}"
        outcome = rig.judge(query(f"n{number}.example.org", id=7), client, transport=Transport.TCP)
        assert isinstance(outcome, Miss)
        refused += sum(isinstance(event, Answered) for event in rig.engine.forward(outcome, number))
        rig.upstream.serve()
    assert refused == 4_200 - 4_096
    for _ in range(6):
        rig.clock.advance(1000)
        while rig.engine.poll(8):
            pass
        rig.upstream.serve()
    rig.upstream.behave = says(RECORDS)
    assert data(rig.ask(query(NAME))) == TRUTH


# The upstream query.


def test_upstream_query_is_built_by_the_engine(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query("PLAIN.example.org", ad=True, cd=True, do=True, payload=4096))
    sent = dns.message.from_wire(rig.upstream.asked[0].message)
    assert sent.question[0].name.to_text() == "plain.example.org."
    assert sent.flags == dns.flags.RD | dns.flags.CD
    assert (sent.edns, sent.payload, sent.ednsflags, sent.options) == (0, 1232, 0x8000, ())


# Retries and other servers.


def sent(rig: Rig, times: int) -> Callable[[], dns.message.Message]:
    """Begin a question and let it be sent that often. Return how to wait for its answer."""
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    for number in range(2, times + 1):
        rig.pass_time(900)
        rig.until_asked(number)
    return wait


def answered(rig: Rig, held: Scripted, send: int, of: int) -> None:
    """Let a question be answered by one of its sends."""
    wait = sent(rig, of)
    held.say(held.asked[send - 1], true_answer(held.asked[send - 1]))
    assert data(wait()) == TRUTH


def given_up(rig: Rig, _held: Scripted) -> None:
    """Let a question end without an answer."""
    wait = sent(rig, 1)
    for _ in range(6):
        rig.pass_time(1000)
    assert wait().rcode() == dns.rcode.SERVFAIL


def test_answer_to_an_earlier_send_is_accepted(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    answered(rig, held, send=1, of=2)
    assert [failures(rig, reason) for reason in (Failure.LATE, Failure.MISMATCH)] == [0, 0]


@each_row(
    "before",
    [partial(answered, send=2, of=2), partial(answered, send=1, of=1), given_up],
    ids=["answered by another send", "answered before", "given up"],
)
def test_answer_to_a_question_that_waits_no_longer_is_late_and_no_mismatch(
    start: Start, before: Callable[[Rig, Scripted], None]
) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    before(rig, held)
    asked = held.asked[0]
    held.say(asked, true_answer(asked))
    rig.settle()
    assert [failures(rig, reason) for reason in (Failure.LATE, Failure.MISMATCH)] == [1, 0]
    guessed = (asked.id ^ 0x5555).to_bytes(2, "big") + true_answer(asked)[2:]
    for forged in (guessed, guessed[:1]):
        held.say(asked, forged)
    rig.settle()
    assert [failures(rig, reason) for reason in (Failure.LATE, Failure.MISMATCH)] == [1, 2]


@each_row("transport", tuple(Transport))
@each_row("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR])
def test_next_server_is_asked_at_once_if_one_fails(start: Start, rcode: int, transport: Transport) -> None:
    rig = start(office(), Scripted(fails(rcode)), internet())
    assert data(rig.ask(query(NAME), transport=transport)) == TRUTH
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]


def test_next_server_is_asked_at_once_if_a_port_is_closed(start: Start) -> None:
    rig = start(office(), closed(), internet())
    assert data(rig.ask(query(NAME))) == TRUTH
    assert failures(rig, Failure.UNREACHABLE) == 1


def test_next_server_is_asked_after_the_wait_for_a_silent_one(start: Start) -> None:
    rig = start(office(), Scripted(silent), internet())
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    rig.settle()
    assert rig.upstreams[1].asked == []
    rig.pass_time(900)
    assert data(wait()) == TRUTH


def test_only_server_behind_a_closed_port_is_still_waited_for(start: Start) -> None:
    # Anybody can send an ICMP error. It must not make the question fail.
    rig = start(office(), closed())
    client = rig.send(query(NAME))
    rig.settle()
    assert client.receive() is None
    for _ in range(6):
        rig.pass_time(1000)
    found = rig.wait(client)
    assert (found.rcode(), edes(found)[0][0]) in [(dns.rcode.SERVFAIL, 22), (dns.rcode.SERVFAIL, 23)]


@each_row(
    ("rcode", "errors"),
    [
        (dns.rcode.SERVFAIL, []),  # the upstream was reached: only the name fails
        (dns.rcode.REFUSED, [(22, "")]),
        (dns.rcode.NOTAUTH, [(22, "")]),
        (dns.rcode.BADVERS, [(22, "")]),
        (dns.rcode.BADCOOKIE, [(22, "")]),
    ],
)
def test_client_gets_servfail_with_its_cause_if_all_servers_fail(
    start: Start, rcode: dns.rcode.Rcode, errors: list[tuple[int, str]]
) -> None:
    rig = start(office(), Scripted(fails(rcode)), Scripted(fails(rcode)))
    found = rig.ask(query(NAME))
    assert (found.rcode(), edes(found)) == (dns.rcode.SERVFAIL, errors)
    again = rig.at_once(query(NAME))
    assert (again.rcode(), edes(again)) == (dns.rcode.SERVFAIL, [*errors, (13, "")])
    assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1]


def test_question_without_a_free_socket_is_not_remembered_as_failed(start: Start) -> None:
    rig = start(office(), internet())
    wait = rig.begin(query(NAME))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most[1]))
    try:
        found = wait()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert (found.rcode(), edes(found)) == (dns.rcode.SERVFAIL, [])
    assert rig.ask(query(NAME)).rcode() == dns.rcode.NOERROR


def test_server_that_keeps_failing_is_asked_last(start: Start) -> None:
    sound = Scripted(lambda asked: (reply(asked, (f"{asked.name}. 9 A 198.51.100.1",)),))
    rig = start(office(), Scripted(silent), sound)
    for number in range(3):
        wait = rig.begin(query(f"n{number}.example.org"))
        rig.until_asked(number + 1)
        rig.pass_time(1100)
        wait()
    assert data(rig.ask(query("n9.example.org"))) == ["A 198.51.100.1"]
    assert [asked.name for asked in rig.upstreams[0].asked if asked.qtype == "A"] == [
        f"n{number}.example.org" for number in range(3)
    ]


def down(rig: Rig, address: str = GHENT) -> None:
    """Make three questions fail at the first upstream, and then a probe."""
    for number in range(3):
        wait = rig.begin(query(f"down{number}.example.org"), address)
        rig.until_asked(number + 1)
        rig.pass_time(1_000)
        wait()
    rig.ask(query("after.example.org"), address)
    rig.pass_time(1_000)


def addressed(asked: Asked) -> tuple[bytes, ...]:
    """Answer every name with an address, but no SOA."""
    return (reply(asked, (f"{asked.name}. 9 A 198.51.100.1",) if asked.qtype == "A" else ()),)


def test_no_question_waits_for_a_server_that_answers_no_probe(start: Start) -> None:
    rig = start(office(), Scripted(silent), Scripted(addressed))
    down(rig)
    before = len([asked for asked in rig.upstream.asked if asked.qtype == "A"])
    for number in range(70):
        assert data(rig.ask(query(f"n{number}.example.org"))) == ["A 198.51.100.1"]
        rig.pass_time(1_000)
    assert len([asked for asked in rig.upstream.asked if asked.qtype == "A"]) == before
    probes = [asked for asked in rig.upstream.asked if (asked.name, asked.qtype) == ("", "SOA")]
    assert 70 <= len(probes) <= 72


def test_late_answer_to_a_probe_is_no_mismatch(start: Start) -> None:
    rig = start(office(), Scripted(silent), Scripted(addressed))
    down(rig)
    rig.pass_time(1_000)
    probe = next(asked for asked in rig.upstream.asked if asked.qtype == "SOA")
    rig.upstream.say(probe, reply(probe))
    rig.settle()
    assert [failures(rig, reason) for reason in (Failure.LATE, Failure.MISMATCH)] == [1, 0]


def test_a_server_that_answers_a_probe_is_asked_first_again_at_once(start: Start) -> None:
    rig = start(office(), Scripted(silent), Scripted(addressed))
    down(rig)
    rig.upstream.behave = addressed
    rig.ask(query("probing.example.org"))
    rig.settle()
    rig.ask(query("first.example.org"))
    assert (rig.upstream.asked[-1].name, rig.upstreams[1].asked[-1].name) == (
        "first.example.org",
        "probing.example.org",
    )


def test_a_server_of_a_conditional_zone_is_probed_for_that_zone(start: Start) -> None:
    office_server = Scripted(silent)
    rig = start(office(), internet(), office_server, conditional=[ZoneTo("corp.example", office_server)])
    for number in range(4):
        rig.begin(query(f"n{number}.corp.example"))
        rig.until_asked(number + 1, office_server)
        rig.pass_time(1_000)
    assert ("corp.example", "SOA") in [(asked.name, asked.qtype) for asked in office_server.asked]


def test_server_behind_a_closed_port_is_dead_once_a_probe_fails_too(start: Start) -> None:
    rig = start(office(), closed())
    for number in range(SILENCE_TO_BE_GONE_MS // 1_000):
        rig.begin(query(f"n{number}.example.org"))
        rig.settle()
        rig.pass_time(1_000)
    rig.begin(query("let-through.example.org"))
    rig.settle()
    assert edes(rig.at_once(query("another.example.org"))) == [(22, ""), (13, "")]


def test_no_server_is_probed_while_no_client_asks(start: Start) -> None:
    rig = start(office(), Scripted(silent), Scripted(addressed))
    down(rig)
    rig.pass_time(1_000)
    asked = len(rig.upstream.asked)
    for _ in range(10):
        rig.pass_time(1_000)
    assert len(rig.upstream.asked) == asked


def test_a_late_failure_of_one_server_does_not_end_the_wait_for_another(start: Start) -> None:
    first, second = Scripted(silent), Scripted(silent)
    rig = start(office(), first, second)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    rig.pass_time(900)
    rig.until_asked(1, second)
    rig.pass_time(1300)
    rig.until_asked(2)
    second.say(second.asked[0], reply(second.asked[0], rcode=dns.rcode.SERVFAIL))
    rig.settle()
    first.say(first.asked[1], true_answer(first.asked[1]))
    assert data(wait()) == TRUTH


# Streams.


def big(asked: Asked) -> tuple[bytes, ...]:
    """Truncate by datagram; answer a thousand addresses by stream."""
    if not asked.by_stream:
        return (truncated(asked),)
    return (reply(asked, [f"{asked.name}. 300 A 10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1000)]),)


def test_answer_that_is_cut_within_a_record_is_fetched_by_stream(start: Start) -> None:
    def cut(asked: Asked) -> tuple[bytes, ...]:
        return (reply(asked, RECORDS[NAME, "A"], flags=int(dns.flags.TC))[:-3],)

    rig = start(office(), Scripted(cut))
    rig.begin(query(NAME), GHENT, Transport.UDP)
    rig.until(lambda: b"" if rig.by_stream else None)
    assert [event.server for event in rig.by_stream] == [0]
    assert failures(rig, Failure.MALFORMED) == 0


@each_row("transport", list(Transport))
def test_a_truncated_answer_is_fetched_by_stream(start: Start, transport: Transport) -> None:
    rig = start(office(), Scripted(big), cache_bytes=8_000_000)
    waiting = [rig.begin(query(NAME), client, transport) for client in (GHENT, MECHELEN)]
    rig.until(lambda: b"" if rig.by_stream else None)
    assert [(event.server, event.message[12:]) for event in rig.by_stream] == [(0, rig.upstream.asked[0].message[12:])]
    rig.complete()
    for wait in waiting:
        found = wait()
        if transport.is_stream:
            assert len(data(found)) == 1000
        else:
            assert found.flags & dns.flags.TC
    assert [asked.by_stream for asked in rig.upstream.asked] == [False, True]
    again = rig.ask(query(NAME, payload=65535), transport=Transport.TCP)
    assert len(data(again)) == 1000
    datagram = rig.ask(query(NAME, payload=65535))
    assert datagram.flags & dns.flags.TC
    assert len(rig.upstream.asked) == 2


def test_largest_answer_by_stream_reaches_a_stream_client(start: Start) -> None:
    def largest(asked: Asked) -> tuple[bytes, ...]:
        if not asked.by_stream:
            return (truncated(asked),)
        strings = " ".join(f'"{"x" * 255}"' for _ in range(250))
        return (reply(asked, [f"{asked.name}. 300 TXT {strings}"]),)

    rig = start(office(), Scripted(largest))
    wait = rig.begin(query(NAME, "TXT"), transport=Transport.TCP)
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    assert len(data(wait())[0]) > 64_000


def test_stream_has_the_deadline_of_its_question_and_its_client(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    begun_ms = rig.clock.boot_ms
    rig.begin(query(NAME), MECHELEN)
    rig.until_asked(1)
    rig.pass_time(850)
    rig.upstream.say(rig.upstream.asked[0], truncated(rig.upstream.asked[0]))
    rig.until(lambda: b"" if rig.by_stream else None)
    assert rig.by_stream[0].client == ip_address(MECHELEN).packed
    assert rig.by_stream[0].wait_until_ms == begun_ms + TOTAL_MS


def test_a_stream_leaves_time_to_ask_another_server(start: Start) -> None:
    rig = start(office(), Scripted(big), Scripted(big))
    begun_ms = rig.clock.boot_ms
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    assert rig.by_stream[0].wait_until_ms == begun_ms + TOTAL_MS // 2
    rig.clock.advance(TOTAL_MS // 2)
    rig.complete(lambda _upstream, _message: None)
    rig.until(lambda: b"" if rig.by_stream else None)
    assert (rig.by_stream[0].server, rig.by_stream[0].wait_until_ms) == (1, begun_ms + TOTAL_MS)
    number = rig.by_stream[0].exchange
    assert rig.engine.is_open(number)
    rig.clock.advance(TOTAL_MS // 2)
    rig.complete(lambda _upstream, _message: None)
    assert wait().rcode() == dns.rcode.SERVFAIL
    assert not rig.engine.is_open(number)


def test_lack_of_own_connections_is_no_failure_of_the_server(start: Start) -> None:
    rig = start(office(), Scripted(big), Scripted(silent))
    waiting = [rig.begin(query(f"n{number}.example.org")) for number in range(FAILURES_TO_BACK_OFF)]
    rig.until(lambda: b"" if len(rig.by_stream) == len(waiting) else None)
    rig.complete(lambda _upstream, _message: None, failure=None)
    assert [failures(rig, reason) for reason in Failure] == [0] * len(Failure)
    asked = len(rig.upstream.asked)
    rig.begin(query(NAME))
    rig.until_asked(asked + 1)


def test_next_server_is_asked_if_a_stream_fails(start: Start) -> None:
    rig = start(office(), Scripted(big), internet())
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete(lambda _upstream, _message: None)
    assert data(wait()) == TRUTH


@each_row(
    "spoil",
    [
        lambda message: None,
        lambda message: b"",
        lambda message: message[:40],
        lambda message: message[:2] + b"\x83" + message[3:],
        lambda message: message.replace(b"\x05plain", b"\x05other"),
    ],
    ids=["broken", "empty", "short", "truncated again", "another question"],
)
def test_stream_message_that_is_no_answer_is_a_failure(start: Start, spoil: object) -> None:
    assert callable(spoil)
    rig = start(office(), Scripted(big))
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete(lambda upstream, message: spoil(upstream.by_stream(message)))
    assert wait().rcode() == dns.rcode.SERVFAIL


def test_a_banned_target_in_a_streamed_answer_is_refused(start: Start) -> None:
    def behave(asked: Asked) -> tuple[bytes, ...]:
        return (reply(asked, RECORDS[asked.name, asked.qtype]) if asked.by_stream else truncated(asked),)

    rig = start(office(), Scripted(behave))
    waiting = [rig.begin(query("video.example.org"), client) for client in (GHENT, MECHELEN)]
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    assert [wait().rcode() for wait in waiting] == [dns.rcode.REFUSED, dns.rcode.NOERROR]


def test_finished_exchange_cannot_be_completed(start: Start) -> None:
    rig = start(office(), Scripted(big))
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    event = rig.by_stream[0]
    rig.complete()
    wait()
    assert list(rig.engine.complete(event.exchange, None)) == []
    assert list(rig.engine.complete(10**9, b"")) == []


def test_late_failure_of_an_earlier_server_causes_no_extra_send(start: Start) -> None:
    slow, next_one = Scripted(silent), Scripted(silent)
    rig = start(office(), slow, next_one)
    client = rig.send(query(NAME))
    rig.until_asked(1, slow)
    rig.pass_time(850)
    rig.until_asked(1, next_one)
    slow.say(slow.asked[0], reply(slow.asked[0], rcode=dns.rcode.SERVFAIL))
    rig.settle()
    assert len(next_one.asked) == 1
    next_one.say(next_one.asked[0], true_answer(next_one.asked[0]))
    assert rig.wait(client).rcode() == dns.rcode.NOERROR
