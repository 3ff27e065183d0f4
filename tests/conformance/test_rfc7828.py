"""RFC 7828: a keepalive option is answered over TCP, with the time an idle connection has, and ignored over UDP."""

from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode

from dnsfilter.config.node_config import Limits
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import PATIENCE_S, data, edes, query
from tests.support.nodes import Node
from tests.support.row_tables import each_row
from tests.support.starting import Start

NAME: Final = "plain.example.org"
KEEPALIVE: Final = 11
REGISTERED: Final = "127.0.22.10"


def keepalive(raw: str) -> list[dns.edns.Option]:
    return [dns.edns.GenericOption(dns.edns.OptionType.make(KEEPALIVE), bytes.fromhex(raw))]


@each_row("raw", ["", "0064", "00640064"])
def test_keepalive_over_udp_is_ignored(start: Start, raw: str) -> None:
    rig = start(office(), internet())
    for _ in range(2):
        found = rig.ask(query(NAME, options=keepalive(raw)))
        assert (data(found), found.options) == (["A 198.51.100.10"], ())
    refused = rig.ask(query("www.tiktok.com", options=keepalive(raw)))
    assert ([code for code, _ in edes(refused)], len(refused.options)) == ([15], 1)
    assert [dns.message.from_wire(asked.message).options for asked in rig.upstream.asked] == [()]


@each_row("raw", ["00", "0064", "00640064"])
def test_keepalive_over_tcp_with_a_timeout_in_the_query_is_formerr(start: Start, raw: str) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME))
    for name in (NAME, "www.tiktok.com", "fresh.example.org"):
        found = rig.at_once(query(name, options=keepalive(raw)), transport=Transport.TCP)
        assert (found.rcode(), found.answer, found.edns, found.options) == (dns.rcode.FORMERR, [], 0, ())
    assert len(rig.forwarded) == 1


@each_row("edns", [False, 0])
def test_a_node_says_over_tcp_how_long_an_idle_connection_stays_open(node: Node, edns: int | bool) -> None:
    """Check a name that the upstream has, a refused one, and one that is answered here, also without the option."""
    expected = [(KEEPALIVE, int(Limits().connection_idle_s * 10).to_bytes(2))]
    for name in ("example.org", "www.tiktok.com", "localhost"):
        plain = dns.message.from_wire(query(name, edns=edns))
        asked = dns.message.from_wire(query(name, options=keepalive("")))
        for message, options in ((plain, []), (asked, expected), (asked, expected)):
            found = dns.query.tcp(message, "127.0.0.1", PATIENCE_S, node.port, source=REGISTERED)
            kept = [(int(option.otype), option.to_wire()) for option in found.options]
            assert [option for option in kept if option[0] == KEEPALIVE] == options
            assert not found.flags & dns.flags.TC
