"""Names inside record data."""

import dns.message
import pytest

from dnsfilter.wire.checker import parse_answer
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.rdata import plain_rdata, target_name
from tests.unit.wire.build import RICH, answered


def test_plain_rdata_matches_an_independent_parser() -> None:
    answer = parse_answer(RICH)
    parsed = dns.message.from_wire(RICH, one_rr_per_rrset=True)
    expected = [
        rrset[0].to_wire() for section in (parsed.answer, parsed.authority, parsed.additional) for rrset in section
    ]
    written = [plain_rdata(RICH, record.rtype, record.rdata, record.end) for record in answer.records]
    assert written == expected


@pytest.mark.parametrize(
    ("rtype", "rdata", "target"),
    [
        ("CNAME", "CDN.example.net.", "cdn.example.net"),
        ("DNAME", "www.Example.org.", "www.example.org"),
        ("HTTPS", "0 svc.example.net.", "svc.example.net"),
        ("SVCB", "1 . alpn=h2", "."),
    ],
)
def test_the_target_of_a_record_is_folded(rtype: str, rdata: str, target: str) -> None:
    answer = parse_answer(answered("www.example.org", rtype, (f"www.example.org. 60 {rtype} {rdata}",)))
    record = answer.records[0]
    assert target_name(answer.message, record.rtype, record.rdata) == parse_name(target)
