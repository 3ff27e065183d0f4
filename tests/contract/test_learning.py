"""Learning mode: unregistered clients of named prefixes are answered until its instant, and refused from then on."""

from ipaddress import ip_network

from dnsfilter.config.node_config import MAX_LEARNING_S, Clients, Unregistered
from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import UNREGISTERED, data, edes, query
from tests.support.policies import NOW
from tests.support.row_tables import each_row
from tests.support.starting import Start

LEFT_S = 60
LEARNING = Clients(Unregistered.LEARN, (ip_network("127.0.99.0/24"),), NOW + LEFT_S)
TRANSPORTS = [Transport.UDP, Transport.TCP]


@each_row("transport", TRANSPORTS)
def test_an_unregistered_client_is_answered_until_the_instant_and_listed_before_and_after(
    start: Start, transport: Transport
) -> None:
    rig = start(office(), internet(), clients=LEARNING)
    name = query("www.tiktok.com")
    assert isinstance(rig.judge(name, UNREGISTERED, transport, later_s=LEFT_S - 1), Miss)
    assert edes(rig.at_once(name, UNREGISTERED, transport, later_s=LEFT_S)) == [(18, "")]
    assert [(one.prefix.hex(), one.queries) for one in rig.engine.take_unregistered()] == [("7f0063", 2)]


def test_learning_begins_30_days_before_its_end(start: Start) -> None:
    late = Clients(Unregistered.LEARN, LEARNING.allowed, NOW + LEFT_S + MAX_LEARNING_S)
    rig = start(office(), internet(), clients=late)
    name = query("www.tiktok.com")
    assert edes(rig.at_once(name, UNREGISTERED, later_s=LEFT_S - 1)) == [(18, "")]
    assert isinstance(rig.judge(name, UNREGISTERED, later_s=LEFT_S), Miss)


def test_a_client_outside_the_prefixes_is_refused_during_learning(start: Start) -> None:
    rig = start(office(), internet(), clients=LEARNING)
    assert edes(rig.at_once(query("www.example.org"), "127.0.98.10")) == [(18, "")]


def test_a_cached_answer_is_refused_from_the_instant_on(start: Start) -> None:
    rig = start(office(), internet(), clients=LEARNING)
    assert data(rig.ask(query("www.tiktok.com"), UNREGISTERED)) == ["A 192.0.2.100"]
    rig.pass_time(LEFT_S * 1000)
    assert edes(rig.ask(query("www.tiktok.com"), UNREGISTERED)) == [(18, "")]


def test_a_query_that_waits_at_the_instant_is_refused(start: Start) -> None:
    rig = start(office(), internet(), clients=LEARNING)
    reply = rig.begin(query("www.tiktok.com"), UNREGISTERED)
    rig.engine.poll(8)
    rig.clock.advance(LEFT_S * 1000)
    assert edes(reply()) == [(18, "")]
