"""Every reply is reported with its client, for resolved-only egress: forwarded, cached, refused and local ones."""

from ipaddress import ip_address

import dns.message

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, UNREGISTERED, query
from tests.support.row_tables import each_row
from tests.support.starting import Start

PLAIN, BANNED = "plain.example.org", "www.tiktok.com"
each_transport = each_row("transport", tuple(Transport))


@each_transport
def test_each_reply_is_reported_once_as_the_client_gets_it(start: Start, transport: Transport) -> None:
    rig, reported = start(office(), internet()), list[tuple[bytes, bytes]]()
    rig.engine.report_answers(lambda client, reply: reported.append((client, reply)))
    replies = [rig.ask(query(name), GHENT, transport) for name in (PLAIN, PLAIN, BANNED, "localhost")]
    rig.ask(query(PLAIN), UNREGISTERED, transport)
    clients = [client for client, _ in reported]
    assert clients == [ip_address(GHENT).packed] * len(replies) + [ip_address(UNREGISTERED).packed]
    assert [dns.message.from_wire(reply) for _, reply in reported[:-1]] == replies


def test_replies_are_still_reported_when_a_capture_ends(start: Start) -> None:
    rig, reported = start(office(), internet()), list[bytes]()
    rig.engine.report_answers(lambda _client, reply: reported.append(reply))
    rig.engine.capture(())
    rig.ask(query(PLAIN), GHENT)
    assert len(reported) == 1
