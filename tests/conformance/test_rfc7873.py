"""RFC 7873: this resolver uses no cookies, so that it ignores a client's, but it rejects malformed ones."""

import dns.edns
import dns.message
import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import data, query
from tests.support.row_tables import each_row
from tests.support.starting import Start

NAME = "plain.example.org"
SIZES = {True: (8, 16, 24, 40), False: (0, 1, 7, 9, 15, 41, 255)}

each_transport = each_row("transport", tuple(Transport))


def cookie(size: int) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(range(1, 256))[:size])


@each_transport
@each_row("size", SIZES[True])
def test_a_cookie_is_neither_passed_on_nor_answered(start: Start, size: int, transport: Transport) -> None:
    rig = start(office(), internet())
    for _ in range(2):
        found = rig.ask(query(NAME, options=[cookie(size)]), transport=transport)
        assert (data(found), found.options) == (["A 198.51.100.10"], ())
    assert [dns.message.from_wire(asked.message).options for asked in rig.upstream.asked] == [()]


@each_transport
@each_row("size", SIZES[False])
@each_row("others", [(), (cookie(8),)], ids=["alone", "after a good one"])
def test_a_malformed_cookie_is_formerr(
    start: Start, size: int, others: tuple[dns.edns.Option, ...], transport: Transport
) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME))
    for name in (NAME, "www.tiktok.com", "fresh.example.org"):
        found = rig.at_once(query(name, options=[*others, cookie(size)]), transport=transport)
        assert (found.rcode(), found.answer, found.edns, found.options) == (dns.rcode.FORMERR, [], 0, ())
    assert len(rig.forwarded) == 1
