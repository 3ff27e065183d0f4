"""When the table of pending questions is full, those of heavy zones and clients are evicted for others."""

from collections.abc import Iterable

import dns.message
import dns.rcode
import pytest

from dnsfilter.engine.interface import Miss
from dnsfilter.engine.reference.room import MOST_EXCHANGES
from dnsfilter.engine.reference.shares import OLD_MS
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import LIMITED
from tests.contract.cases import office
from tests.support.engines import MECHELEN, data, edes, query
from tests.support.scripted import Asked, Scripted, says
from tests.support.starting import Start

pytestmark = pytest.mark.heavy

KEPT = "kept.silent.example"
ADDRESS = "198.51.100.77"
ATTACKERS = [f"127.0.5.{n}" for n in range(1, 31)]


def answers(asked: Asked) -> Iterable[bytes]:
    return says({(asked.name, "A"): (f"{asked.name}. 1 A {ADDRESS}",)})(asked)


def answers_others(asked: Asked) -> Iterable[bytes]:
    """Answer all names except those of the silent zone."""
    return () if "silent" in asked.name else answers(asked)


def test_others_are_answered_while_a_silent_zone_fills_the_table_and_evicted_queries_get_a_reply(start: Start) -> None:
    rig = start(office(), Scripted(answers))
    assert data(rig.ask(query(KEPT))) == [f"A {ADDRESS}"]
    rig.pass_time(2000)
    rig.upstream.behave = answers_others

    def forward(name: str, client: str) -> int:
        outcome = rig.judge(query(name), client, Transport.TCP)
        assert isinstance(outcome, Miss)
        return rig.forward(outcome)

    tickets = []
    for number in range(MOST_EXCHANGES):
        name = f"x{number}.silent.example" if number else KEPT
        tickets.append(forward(name, ATTACKERS[number % len(ATTACKERS)]))
        rig.upstream.serve()
    assert rig.engine.pending_count() == MOST_EXCHANGES
    rig.pass_time(OLD_MS)
    for transport in (Transport.UDP, Transport.TCP):
        assert data(rig.ask(query(f"{transport}.example.org"), MECHELEN, transport)) == [f"A {ADDRESS}"]
        # The place is free again. The silent zone takes it.
        forward(f"{transport}.silent.example", ATTACKERS[0])
        rig.upstream.serve()
    stale, failed = (dns.message.from_wire(rig.answered.pop(ticket)) for ticket in tickets[:2])
    assert (data(stale), edes(stale)) == ([f"A {ADDRESS}"], [(3, "")])
    assert (failed.rcode(), edes(failed)) == (dns.rcode.SERVFAIL, [])
    assert not rig.answered
    # The evicted question does not count as failed.
    assert isinstance(rig.judge(query("x1.silent.example"), ATTACKERS[0], Transport.TCP), Miss)
    turned_away = forward("more.silent.example", ATTACKERS[0])
    assert dns.message.from_wire(rig.answered[turned_away]).rcode() == dns.rcode.SERVFAIL
    counts = {limit: rig.counters.slots[LIMITED[limit]] for limit in (Limit.DISPLACED, Limit.WAITING)}
    assert counts == {Limit.DISPLACED: 2, Limit.WAITING: 1}
