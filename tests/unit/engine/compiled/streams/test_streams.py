"""Streams in the compiled engine's loop: what tests/unit/server/test_stream.py does not reach over a network."""

from dataclasses import replace
from typing import NoReturn

import dns.rcode
import pytest

from dnsfilter.engine.interface import Miss
from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.telemetry.metrics import Limit
from dnsfilter.telemetry.slots import LIMITED, TCP_CONNECTIONS
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, NO_RATES, Rig, StreamClient, data, query, running
from tests.support.scripted import Scripted, reply, silent
from tests.unit.engine.tables import no_more_descriptors

pytest.importorskip("dnsfilter.engine._engine")

SLOW = query("health.dnsfilter.internal")
"""A query that the slow path answers."""


def open_count(rig: Rig) -> int:
    return rig.counters.slots[TCP_CONNECTIONS]


def until_closed(rig: Rig, client: StreamClient) -> None:
    rig.until(lambda: b"" if client.is_closed() else None)


def test_exception_in_the_slow_path_ends_only_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> NoReturn:
        raise ArithmeticError("for a test")

    with running("compiled", office(), internet()) as rig:
        first = rig.connect(query("www.tiktok.com"))
        assert rig.wait(first).rcode() == dns.rcode.REFUSED
        monkeypatch.setattr(SlowPath, "decide_message", failing)
        other = rig.connect(SLOW)
        with pytest.raises(ArithmeticError, match="for a test"):
            rig.wait(other)
        until_closed(rig, other)
        first.send(query("www.tiktok.com"))
        assert rig.wait(first).rcode() == dns.rcode.REFUSED
        assert open_count(rig) == 1


def test_connection_does_not_wait_for_a_query_that_the_slow_path_has_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(_path: SlowPath, _turn: object, _miss: Miss, ticket: int = 0, reply: object = None) -> None:
        lost.append((ticket, reply))

    lost: list[object] = []
    odd = query("plain.example.org", "A", "HS")
    with running("compiled", office(), internet()) as rig:
        assert rig.engine.streams is not None
        monkeypatch.setattr(SlowPath, "forward", losing)
        rig.connect(odd)
        rig.until(lambda: b"" if lost else None)
        assert rig.engine.streams.is_busy
        lost.clear()
        rig.settle()
        assert not rig.engine.streams.is_busy


def test_query_without_room_to_wait_gets_servfail_and_is_counted() -> None:
    limits = replace(NO_RATES, waiting_per_client=1)
    with running("compiled", office(), Scripted(silent), limits=limits) as rig:
        waiting = rig.connect(query("a.example.org"))
        rig.until_asked(1)
        assert rig.wait(rig.connect(query("b.example.org"))).rcode() == dns.rcode.SERVFAIL
        assert rig.outcomes() == {("tcp", "limited"): 1}
        assert rig.counters.slots[LIMITED[Limit.WAITING]] == 1
        assert rig.responses() == {"SERVFAIL": 1}
        assert waiting.receive() is None


def test_answer_after_the_end_of_its_connection_is_for_nobody_else() -> None:
    with running("compiled", office(), Scripted(silent)) as rig:
        leaving = rig.connect(query("www.example.org"))
        rig.until_asked(1)
        leaving.abort()
        rig.until(lambda: b"" if not open_count(rig) else None)
        taking = rig.connect(query("www.tiktok.com"))  # in the place of the first one
        assert rig.wait(taking).rcode() == dns.rcode.REFUSED
        (asked,) = rig.upstream.asked
        rig.upstream.say(asked, reply(asked, ("www.example.org. 300 A 198.51.100.1",)))
        rig.settle()
        assert taking.receive() is None
        assert rig.outcomes() == {("tcp", "refused"): 1, ("tcp", "forwarded"): 1}


def test_connections_wait_while_the_system_has_no_room_for_them() -> None:
    with running("compiled", office(), internet()) as rig:
        held = rig.connect(query("plain.example.org"))
        assert data(rig.wait(held)) == ["A 198.51.100.10"]
        client = rig.connect(query("www.tiktok.com"), MECHELEN)
        with no_more_descriptors():
            rig.settle()
            held.send(query("www.tiktok.com"))
            assert rig.wait(held).rcode() == dns.rcode.REFUSED
        rig.pass_time(999)
        assert open_count(rig) == 1
        rig.pass_time(1)
        assert rig.wait(client).rcode() == dns.rcode.NOERROR
        assert open_count(rig) == 2


def test_idle_connections_end_in_the_order_of_their_use() -> None:
    with running("compiled", office(), internet(), limits=replace(NO_RATES, connection_idle_s=10)) as rig:
        first, second = rig.connect(query("www.tiktok.com"), GHENT), rig.connect(query("www.tiktok.com"), GHENT)
        rig.wait(first)
        rig.wait(second)
        rig.pass_time(6_000)
        first.send(query("www.tiktok.com"))
        rig.wait(first)
        rig.pass_time(4_000)
        assert second.is_closed()
        assert not first.is_closed()
        rig.pass_time(5_999)
        assert not first.is_closed()
        rig.pass_time(1)
        assert first.is_closed()
        assert open_count(rig) == 0
