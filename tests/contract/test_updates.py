"""Dynamic updates: passed unchanged to the servers of a conditional zone, for registered clients only."""

import dns.tsigkeyring
import dns.update

from dnsfilter.engine.interface import Reply, Update
from dnsfilter.telemetry.metrics import Outcome, Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, UNREGISTERED, Rig, ZoneTo, query
from tests.support.proxied import BEHIND_PROXY, PROXY, header
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, silent
from tests.support.starting import Start

TRANSPORTS = (Transport.UDP, Transport.TCP)
KEYS = dns.tsigkeyring.from_text({"office-key": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})


def update(zone: str = "corp.internal", *, rdtype: str = "SOA", zones: int = 1, signed: bool = True) -> bytes:
    """Return an update that adds a host to the zone, with another zone type or count if asked."""
    made = dns.update.UpdateMessage(zone, keyring=KEYS if signed else None, id=4321)
    made.add("pc1", 300, "A", "192.0.2.7")
    made.zone[0].rdtype = dns.rdatatype.RdataType.make(rdtype)
    wire = made.to_wire()
    return wire[:4] + zones.to_bytes(2, "big") + wire[6:]


def started(start: Start) -> Rig:
    dc = Scripted(silent)
    return start(office(), internet(), dc, conditional=[ZoneTo("corp.internal", dc)], clients=BEHIND_PROXY)


def rcode_of(outcome: object) -> int:
    assert isinstance(outcome, Reply), outcome
    assert outcome.message[:3] == (4321).to_bytes(2, "big") + b"\xa8"
    return outcome.message[3] & 15


@each_row("transport", TRANSPORTS)
@each_row("zone", ["corp.internal", "CORP.Internal", "sub.corp.internal"])
@each_row("signed", [True, False])
def test_update_of_a_conditional_zone_is_passed_on_unchanged(
    start: Start, zone: str, signed: bool, transport: Transport
) -> None:
    rig = started(start)
    message = update(zone, signed=signed)
    outcome = rig.judge(message, GHENT, transport)
    assert isinstance(outcome, Update), outcome
    assert (outcome.message, outcome.client, outcome.servers) == (message, b"\x7f\0\5\x0a", (1,))
    assert rig.outcomes() == {}
    outcome.count(Outcome.LIMITED, 2)
    assert (rig.outcomes(), rig.responses()) == ({(transport.value, "limited"): 1}, {"SERVFAIL": 1})


@each_row("transport", TRANSPORTS)
@each_row("zone", ["example.org", "internal", "tiktok.com", "."])
def test_update_of_another_zone_is_notauth(start: Start, zone: str, transport: Transport) -> None:
    rig = started(start)
    assert rcode_of(rig.judge(update(zone), GHENT, transport)) == 9
    assert (rig.outcomes(), rig.responses()) == ({(transport.value, "unsupported"): 1}, {"other": 1})


@each_row("message", [update(rdtype="A"), update(zones=0), update(zones=2), update()[:20]], ids=["A", "0", "2", "cut"])
def test_update_without_exactly_one_zone_is_formerr(start: Start, message: bytes) -> None:
    rig = started(start)
    assert rcode_of(rig.judge(message)) == 1
    assert (rig.outcomes(), rig.responses(), rig.types()) == ({("udp", "malformed"): 1}, {"FORMERR": 1}, {})


@each_row("transport", TRANSPORTS)
def test_unregistered_clients_and_nodes_without_zones_pass_nothing_on(start: Start, transport: Transport) -> None:
    assert rcode_of(started(start).judge(update(), UNREGISTERED, transport)) == 4
    assert rcode_of(start(office(), internet()).judge(update(), GHENT, transport)) == 4


def test_answer_to_a_datagram_goes_back_to_its_sender(start: Start) -> None:
    rig = started(start)
    for message, peer in ((update(), GHENT), (header(GHENT) + update(), PROXY)):
        sender = rig.send(message, peer)
        (event,) = _events(rig)
        assert isinstance(event, Update)
        assert (event.message, event.client) == (update(), b"\x7f\0\5\x0a")
        assert event.reply is not None
        event.reply(b"answer")
        assert rig.until(sender.receive) == b"answer"
        event.reply(bytes(1233))
        assert sender.receive() is None
    large = update() + bytes(1400)
    sender = rig.send(large, GHENT)
    (event,) = _events(rig)
    assert isinstance(event, Update)
    assert event.reply is not None
    event.reply(bytes(len(large)))
    assert rig.until(sender.receive) == bytes(len(large))
    assert rig.ask(query("plain.example.org")).rcode().name == "NOERROR"


def _events(rig: Rig) -> list[object]:
    found: list[object] = []
    while not found:
        found += rig.engine.poll(8)
    return found
