"""RFC 2930: this resolver agrees on no keys. A question for TKEY concerns one hop, so that it goes no further."""

import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, query
from tests.support.row_tables import each_row
from tests.support.starting import Start


@each_row("transport", tuple(Transport))
@each_row("qclass", ["IN", "ANY"])
@each_row("name", ["plain.example.org", "www.tiktok.com", "123.sig-dc1.example.org"])
def test_tkey_is_not_implemented_and_asked_of_no_upstream(
    start: Start, name: str, qclass: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    for client in (GHENT, MECHELEN):
        for edns in (False, 0):
            found = rig.at_once(query(name, "TKEY", qclass, edns=edns), client, transport)
            assert (found.rcode(), found.answer, found.authority) == (dns.rcode.NOTIMP, [], [])
            assert found.question[0].name.to_text(omit_final_dot=True) == name
    assert rig.forwarded == []
