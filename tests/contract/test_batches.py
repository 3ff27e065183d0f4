"""Datagrams of one batch are answered as if each had come alone."""

import dns.message
import dns.rcode

from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, query
from tests.support.row_tables import each_row
from tests.support.starting import Start

ASKED = (
    (query("plain.example.org"), GHENT, "NOERROR"),
    (query("www.tiktok.com"), GHENT, "REFUSED"),
    (query("www.tiktok.com"), MECHELEN, "NOERROR"),
    (query("deep.below.www.tiktok.com"), GHENT, "REFUSED"),
    (query("localhost"), GHENT, "NOERROR"),
    (query("."), UNREGISTERED, "REFUSED"),
    (query("plain.example.org"), UNREGISTERED, "REFUSED"),
    (query("plain.example.org", rd=False), GHENT, "REFUSED"),
    (query("video.example.org"), GHENT, "REFUSED"),
    (query("plain.example.org", "AAAA"), GHENT, "NXDOMAIN"),
)


@each_row("rounds", [1, 7, 14])
def test_each_query_of_a_batch_gets_its_own_reply(start: Start, rounds: int) -> None:
    rig = start(office(), internet())
    for _ in range(2):  # in the second round some answers are cached
        asked = ASKED * rounds
        clients = [rig.send(wire, client) for wire, client, _ in asked]
        replies = [rig.wait(client) for client in clients]
        assert [dns.rcode.to_text(reply.rcode()) for reply in replies] == [rcode for _, _, rcode in asked]
        assert [reply.question for reply in replies] == [dns.message.from_wire(wire).question for wire, _, _ in asked]
