"""RFC 7871: the resolver neither uses nor passes on a client's subnet, and rejects a malformed one."""

import dns.edns
import dns.message
import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply
from tests.support.starting import Start

NAME = "plain.example.org"
TRANSPORTS = tuple(Transport)
WELL_FORMED = (
    "0001 18 00 7f0007",  # Mechelen's range
    "0001 20 00 7f000701",
    "0001 15 00 7f0000",
    "0001 00 00",
    "0002 38 00 20010db8000000",
    "0002 80 00 20010db8000000000000000000000001",
    "0000 00 00",
)
MALFORMED = {
    "no bytes": "",
    "no prefix lengths": "0001",
    "no scope": "0001 18",
    "an unknown family": "0003 18 00 7f0007",
    "a prefix without a family": "0000 18 00 7f0007",
    "a prefix longer than an IPv4 address": "0001 21 00 7f00070100",
    "a prefix longer than an IPv6 address": "0002 81 00 " + "20" * 17,
    "a byte too few": "0001 18 00 7f00",
    "a byte too many": "0001 18 00 7f000700",
    "a bit beyond the prefix": "0001 17 00 7f0007",
    "a scope in a query": "0001 18 18 7f0007",
}


def subnet(raw: str) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.ECS, bytes.fromhex(raw))


@each_row("transport", TRANSPORTS)
@each_row("raw", WELL_FORMED)
def test_a_subnet_is_neither_passed_on_nor_answered(start: Start, raw: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for _ in range(2):
        found = rig.ask(query(NAME, options=[subnet(raw)]), transport=transport)
        assert (data(found), found.options) == (["A 198.51.100.10"], ())
    assert [dns.message.from_wire(asked.message).options for asked in rig.upstream.asked] == [()]


@each_row("transport", TRANSPORTS)
@each_row("name", ["www.tiktok.com", "video.example.org"])
def test_a_subnet_selects_no_policy(start: Start, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    ghent, mechelen = ([subnet(f"0001 18 00 7f00{byte}")] for byte in ("05", "07"))
    for _ in range(2):
        assert [code for code, _ in edes(rig.ask(query(name, options=mechelen), GHENT, transport))] == [15]
        for client in (MECHELEN, DIEST):
            found = rig.ask(query(name, options=ghent), client, transport)
            assert (found.rcode(), edes(found), data(found)[-1]) == (dns.rcode.NOERROR, [], "A 192.0.2.100")


@each_row("transport", TRANSPORTS)
@each_row("fault", MALFORMED)
def test_a_malformed_subnet_is_formerr(start: Start, fault: str, transport: Transport) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME))
    for name in (NAME, "www.tiktok.com", "fresh.example.org"):
        found = rig.at_once(query(name, options=[subnet(MALFORMED[fault])]), transport=transport)
        assert (found.rcode(), found.answer, found.edns, found.options) == (dns.rcode.FORMERR, [], 0, ())
    assert len(rig.upstream.asked) == 1


def test_a_malformed_subnet_behind_a_good_one_is_formerr(start: Start) -> None:
    rig = start(office(), internet())
    options = [subnet(WELL_FORMED[0]), subnet(MALFORMED["a scope in a query"])]
    assert rig.at_once(query(NAME, options=options)).rcode() == dns.rcode.FORMERR


@each_row("raw", ["0001 18 18 7f0007", "0001 00 00", "0001"])
def test_a_subnet_in_upstreams_answer_goes_to_nobody(start: Start, raw: str) -> None:
    def behave(asked: Asked) -> list[bytes]:
        message = dns.message.from_wire(reply(asked, (f"{NAME}. 300 A 198.51.100.10",)))
        message.use_edns(0, options=[subnet(raw)])
        return [message.to_wire()]

    rig = start(office(), Scripted(behave))
    for client in (GHENT, MECHELEN):
        found = rig.ask(query(NAME, options=[subnet(WELL_FORMED[0])]), client)
        assert (data(found), found.options) == (["A 198.51.100.10"], ())
    assert len(rig.upstream.asked) == 1
