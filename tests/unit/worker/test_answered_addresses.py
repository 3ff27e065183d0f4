"""Which addresses a reply gives its client, and for how long."""

from ipaddress import ip_address

import dns.message
import dns.rrset
import pytest

from dnsfilter.errors import MalformedMessage
from dnsfilter.worker.answered_addresses import answered_addresses


def reply(*records: tuple[str, int, str, str]) -> bytes:
    message = dns.message.make_response(dns.message.make_query("www.example.org", "A"))
    for name, ttl_s, kind, data in records:
        message.answer.append(dns.rrset.from_text(name, ttl_s, "IN", kind, data))
    message.additional.append(dns.rrset.from_text("ns.example.org.", 60, "IN", "A", "192.0.2.99"))
    return message.to_wire()


def shown(found: dict[bytes, int]) -> dict[str, int]:
    return {str(ip_address(address)): ttl_s for address, ttl_s in found.items()}


def test_addresses_behind_an_alias_count_and_the_additional_section_does_not() -> None:
    found = answered_addresses(
        reply(
            ("www.example.org.", 300, "CNAME", "a.example.org."),
            ("a.example.org.", 60, "A", "192.0.2.1"),
            ("a.example.org.", 30, "AAAA", "2001:db8::1"),
        )
    )
    assert shown(found) == {"192.0.2.1": 60, "2001:db8::1": 30}


def test_hints_count_and_the_longest_ttl_holds() -> None:
    hints = "1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"
    found = answered_addresses(
        reply(("www.example.org.", 90, "HTTPS", hints), ("www.example.org.", 20, "A", "192.0.2.1"))
    )
    assert shown(found) == {"192.0.2.1": 90, "192.0.2.2": 90, "2001:db8::1": 90}


def test_a_malformed_reply_is_rejected() -> None:
    with pytest.raises(MalformedMessage):
        answered_addresses(reply(("www.example.org.", 60, "A", "192.0.2.1"))[:-30])
