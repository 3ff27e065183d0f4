"""RFC 7830 and RFC 8467: padding is only for encrypted transports, so plain DNS has none."""

import dns.edns
import dns.message

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import data, edes, query
from tests.support.rows import each_row
from tests.support.starting import Start

PADDING = 12
NAME = "plain.example.org"


@each_row("transport", tuple(Transport))
@each_row("raw", [0, 100, 400])
def test_padding_is_neither_mirrored_nor_sent_in_the_clear(start: Start, raw: int, transport: Transport) -> None:
    rig = start(office(), internet())
    options = [dns.edns.GenericOption(dns.edns.OptionType.make(PADDING), bytes(raw))]
    for name, codes in ((NAME, []), ("www.tiktok.com", [15]), ("localhost", [])):
        padded = rig.ask(query(name, options=options, id=7), transport=transport)
        assert padded.to_wire() == rig.ask(query(name, id=7), transport=transport).to_wire()
        assert ([code for code, _ in edes(padded)], len(padded.options)) == (codes, len(codes))
    assert [dns.message.from_wire(asked.message).options for asked in rig.upstream.asked] == [()]
    assert data(rig.at_once(query(NAME))) == ["A 198.51.100.10"]
