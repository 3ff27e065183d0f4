"""Servers that are asked by stream only: no datagram ever goes to them. Failover, health and probes as for others."""

from dataclasses import replace

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Tls
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.attempt import TOTAL_MS
from dnsfilter.upstream.health import FAILURES_TO_BACK_OFF
from tests.contract.cases import internet, office
from tests.support.engines import KINDS, Rig, ZoneTo, data, query, running
from tests.support.scripted import Behaviour, Scripted, fails, reply, silent

NAME = "plain.example.org"

pytestmark = pytest.mark.parametrize("kind", KINDS)


def encrypted(behave: Behaviour | None = None) -> Scripted:
    """Return an upstream with TLS in its endpoint. The rig's caller completes its streams."""
    upstream = internet() if behave is None else Scripted(behave)
    upstream.endpoint = replace(upstream.endpoint, tls=Tls("dns.example.org"))
    return upstream


def until_streams(rig: Rig, number: int = 1) -> None:
    rig.until(lambda: b"" if len(rig.by_stream) >= number else None)


def failures(rig: Rig, server: int, reason: Failure) -> int:
    return rig.counters.slots[upstream_slots(len(rig.upstreams))[server].failure(reason)]


def none(_upstream: Scripted, _message: bytes) -> None:
    return None


def test_first_question_goes_by_stream_with_padding(kind: str) -> None:
    with running(kind, office(), encrypted()) as rig:
        wait = rig.begin(query(NAME))
        until_streams(rig)
        event = rig.by_stream[0]
        assert (event.server, event.group, event.wait_until_ms) == (0, (0,), rig.clock.boot_ms + TOTAL_MS)
        asked = dns.message.from_wire(event.message)
        assert [option.otype for option in asked.options] == [dns.edns.OptionType.PADDING]
        assert len(event.message) == 128
        rig.complete()
        assert data(wait()) == ["A 198.51.100.10"]
        assert [asked.by_stream for asked in rig.upstream.asked] == [True]
        assert data(rig.ask(query(NAME))) == ["A 198.51.100.10"]
        assert rig.outcomes() == {("udp", "forwarded"): 1, ("udp", "cached"): 1}


def test_equal_questions_share_one_stream(kind: str) -> None:
    with running(kind, office(), encrypted()) as rig:
        waiting = [rig.begin(query(NAME)) for _ in range(3)]
        until_streams(rig)
        rig.settle()
        assert len(rig.by_stream) == 1
        rig.complete()
        assert [data(wait()) for wait in waiting] == [["A 198.51.100.10"]] * 3


@pytest.mark.parametrize("reason", [Failure.TLS, Failure.UNREACHABLE])
def test_server_that_fails_is_followed_by_the_next_of_any_kind(kind: str, reason: Failure) -> None:
    with running(kind, office(), encrypted(), encrypted(), internet()) as rig:
        wait = rig.begin(query(NAME))
        for server in (0, 1):
            until_streams(rig)
            assert [event.server for event in rig.by_stream] == [server]
            event = rig.by_stream.pop()
            rig.take(rig.engine.complete(event.exchange, None, failure=reason))
        assert data(wait()) == ["A 198.51.100.10"]
        assert [failures(rig, server, reason) for server in (0, 1, 2)] == [1, 1, 0]
        assert [[asked.by_stream for asked in upstream.asked] for upstream in rig.upstreams] == [[], [], [False]]


def test_plain_server_that_is_silent_is_followed_by_an_encrypted_one(kind: str) -> None:
    with running(kind, office(), Scripted(silent), encrypted()) as rig:
        wait = rig.begin(query(NAME))
        rig.until_asked(1)
        rig.pass_time(1_000)
        until_streams(rig)
        assert [event.server for event in rig.by_stream] == [1]
        rig.complete()
        assert data(wait()) == ["A 198.51.100.10"]


@pytest.mark.parametrize("behave", [fails(2), fails(5), fails(1)])
def test_useless_answer_leads_to_the_next_server(kind: str, behave: Behaviour) -> None:
    with running(kind, office(), encrypted(behave), encrypted()) as rig:
        wait = rig.begin(query(NAME))
        servers: list[int] = []
        while not servers or servers[-1] == 0:
            until_streams(rig)
            servers += [event.server for event in rig.by_stream]
            rig.complete()
        assert data(wait()) == ["A 198.51.100.10"]
        assert servers[-1] == 1


def test_all_encrypted_servers_fail_without_a_datagram(kind: str) -> None:
    with running(kind, office(), encrypted(), encrypted()) as rig:
        wait = rig.begin(query(NAME))
        for _ in range(2):
            until_streams(rig)
            rig.complete(none, failure=Failure.TLS)
        assert wait().rcode() == dns.rcode.SERVFAIL
        rig.pass_time(TOTAL_MS)
        assert rig.forwarded == []


def test_stale_answer_is_given_while_all_fail(kind: str) -> None:
    with running(kind, office(), encrypted(), stale_s=3_600) as rig:
        wait = rig.begin(query(NAME))
        until_streams(rig)
        rig.complete()
        wait()
        rig.pass_time(3_000_000)
        wait = rig.begin(query(NAME))
        until_streams(rig)
        rig.complete(none, failure=Failure.TLS)
        assert data(wait()) == ["A 198.51.100.10"]
        assert rig.outcomes()["udp", "stale"] == 1


def fail_often(rig: Rig) -> None:
    """Let the first server fail until it is in back-off. The second answers."""
    for number in range(FAILURES_TO_BACK_OFF):
        wait = rig.begin(query(f"n{number}.example.org"))
        until_streams(rig)
        rig.complete(none, failure=Failure.TLS)
        until_streams(rig)
        rig.complete()
        wait()


def test_failing_server_is_probed_by_stream_and_asked_again(kind: str) -> None:
    with running(kind, office(), encrypted(), encrypted()) as rig:
        fail_often(rig)
        wait = rig.begin(query(NAME))
        until_streams(rig)
        assert [event.server for event in rig.by_stream] == [1]
        rig.complete()
        wait()
        rig.pass_time(1_000)
        rig.until(lambda: b"" if rig.probes else None)
        probe = rig.probes.pop()
        assert (probe.server, len(probe.message) % 128) == (0, 0)
        rig.take(rig.engine.complete_probe(0, None, failure=Failure.TLS))
        assert failures(rig, 0, Failure.TLS) == FAILURES_TO_BACK_OFF + 1
        wait = rig.begin(query("other.example.org"))
        until_streams(rig)
        rig.complete()
        wait()
        rig.pass_time(1_000)
        rig.until(lambda: b"" if rig.probes else None)
        rig.take(rig.engine.complete_probe(0, rig.probes.pop().message))
        wait = rig.begin(query("another.example.org"))
        until_streams(rig)
        assert [event.server for event in rig.by_stream] == [0]
        rig.complete()
        wait()
        assert not [asked for asked in rig.upstream.asked if not asked.by_stream]


def test_probe_that_this_node_could_not_send_counts_for_nothing(kind: str) -> None:
    with running(kind, office(), encrypted(), encrypted()) as rig:
        fail_often(rig)
        rig.pass_time(1_000)
        rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.probes else None)
        rig.take(rig.engine.complete_probe(0, None, failure=None))
        assert failures(rig, 0, Failure.TLS) == FAILURES_TO_BACK_OFF


def test_chain_leads_from_a_plain_server_to_an_encrypted_zone(kind: str) -> None:
    zone = encrypted(lambda asked: (reply(asked, (f"{asked.name}. 300 A 192.0.2.7",)),))
    public = Scripted(lambda asked: (reply(asked, (f"{asked.name}. 300 CNAME www.corp.example.com.",)),))
    with running(kind, office(), public, zone, conditional=(ZoneTo("corp.example.com", zone),)) as rig:
        wait = rig.begin(query(NAME))
        until_streams(rig)
        rig.complete()
        assert data(wait()) == ["CNAME www.corp.example.com.", "A 192.0.2.7"]
        assert [asked.by_stream for asked in zone.asked] == [True]
