"""RFC 7828: this resolver does not support the keepalive option, and the option disturbs nothing."""

import dns.edns
import dns.message

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import data, edes, query
from tests.support.rows import each_row
from tests.support.starting import Start

KEEPALIVE = 11
NAME = "plain.example.org"


@each_row("transport", tuple(Transport))
@each_row("raw", ["", "0064", "00640064"])
def test_keepalive_is_ignored(start: Start, raw: str, transport: Transport) -> None:
    rig = start(office(), internet())
    options = [dns.edns.GenericOption(dns.edns.OptionType.make(KEEPALIVE), bytes.fromhex(raw))]
    for _ in range(2):
        found = rig.ask(query(NAME, options=options), transport=transport)
        assert (data(found), found.options) == (["A 198.51.100.10"], ())
    refused = rig.ask(query("www.tiktok.com", options=options), transport=transport)
    assert ([code for code, _ in edes(refused)], len(refused.options)) == ([15], 1)
    assert [dns.message.from_wire(asked.message).options for asked in rig.upstream.asked] == [()]
