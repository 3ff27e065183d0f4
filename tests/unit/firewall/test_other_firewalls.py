"""The rules as other firewalls read them."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dnsfilter.firewall.other_firewalls import SYNTAXES, printed
from dnsfilter.firewall.rule_set import RuleSet, Surroundings
from dnsfilter.policy.model import ENCRYPTED_DNS
from tests.support.policies import NOW

AROUND = Surroundings(
    (ip_address("192.0.2.53"), ip_address("2001:db8::53")),
    {ENCRYPTED_DNS: (ip_network("9.9.9.9/32"), ip_network("2620:fe::fe/128"))},
)
RULES = RuleSet(
    (ip_network("192.0.2.0/24"), ip_network("2001:db8::/48")),
    ((ENCRYPTED_DNS, (ip_network("192.0.2.128/25"),)),),
    NOW,
)
NONE = RuleSet((), ((ENCRYPTED_DNS, ()),))

PF = """\
table <dnsfilter-resolvers> const { 192.0.2.53 2001:db8::53 }
table <dnsfilter-banned> const { 192.0.2.0/24 2001:db8::/48 !192.0.2.53 !2001:db8::53 }
table <dnsfilter-encrypted_dns-clients> const { 192.0.2.128/25 !192.0.2.53 !2001:db8::53 }
table <dnsfilter-encrypted_dns> const { 9.9.9.9/32 2620:fe::fe/128 }
block return in quick proto { tcp udp } from <dnsfilter-banned> to ! <dnsfilter-resolvers> port 53
block return in quick proto { tcp udp } from <dnsfilter-encrypted_dns-clients> to ! <dnsfilter-resolvers> port 853
block return in quick from <dnsfilter-encrypted_dns-clients> to <dnsfilter-encrypted_dns>
"""
CISCO = """\
! Load it as a file (copy flash:FILE running-config). Typed line by line, it would cut off your session.
no ip access-list extended DNSFILTER
no ipv6 access-list DNSFILTER6
object-group network DNSFILTER-ENCRYPTED-DNS
no object-group network DNSFILTER-ENCRYPTED-DNS
object-group network DNSFILTER-ENCRYPTED-DNS
 host 9.9.9.9
object-group v6-network DNSFILTER6-ENCRYPTED-DNS
no object-group v6-network DNSFILTER6-ENCRYPTED-DNS
ip access-list extended DNSFILTER
 permit ip host 192.0.2.53 any
 permit ip any host 192.0.2.53
 deny udp 192.0.2.0 0.0.0.255 any eq 53
 deny tcp 192.0.2.0 0.0.0.255 any eq 53
 deny udp 192.0.2.128 0.0.0.127 any eq 853
 deny tcp 192.0.2.128 0.0.0.127 any eq 853
 deny ip 192.0.2.128 0.0.0.127 object-group DNSFILTER-ENCRYPTED-DNS
 permit ip any any
ipv6 access-list DNSFILTER6
 permit ipv6 host 2001:db8::53 any
 permit ipv6 any host 2001:db8::53
 deny udp 2001:db8::/48 any eq 53
 deny tcp 2001:db8::/48 any eq 53
 permit ipv6 any any
"""
FORTINET_GROUPS = """\
config firewall addrgrp
    edit "dnsfilter-resolvers"
        set member "dnsfilter 192.0.2.53/32"
    next
    edit "dnsfilter-banned"
        set member "dnsfilter 192.0.2.0/24"
    next
    edit "dnsfilter-encrypted_dns-clients"
        set member "dnsfilter 192.0.2.128/25"
    next
    edit "dnsfilter-encrypted_dns"
        set member "dnsfilter 9.9.9.9/32"
    next
end
"""


def body(syntax: str, rules: RuleSet = RULES) -> str:
    return "".join(printed(syntax, rules, AROUND, 7).splitlines(keepends=True)[2:])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_comment_names_revision_and_validity(syntax: str) -> None:
    first, second = printed(syntax, RULES, AROUND, 7).splitlines()[:2]
    mark = "!" if syntax == "cisco" else "#"
    assert first == f"{mark} dnsfilter firewall --print {syntax}: revision 7 of the policy."
    assert (
        second
        == f"{mark} Print it again after each new revision or suspension, and at the latest at 2026-03-28T00:00:00Z."
    )
    later = printed(syntax, replace(RULES, until=None), AROUND, 7).splitlines()[1]
    assert later == f"{mark} Print it again after each new revision or suspension. No change is planned."


def test_pf() -> None:
    assert body("pf") == PF
    assert "table <dnsfilter-banned> const { !192.0.2.53 !2001:db8::53 }\n" in body("pf", NONE)


def test_cisco() -> None:
    assert body("cisco") == CISCO


def test_cisco_groups_lose_their_members_with_the_bans() -> None:
    lines = body("cisco", NONE).splitlines()
    assert not [line for line in lines if line.startswith(" host")]
    for kind, group in (("network", "DNSFILTER-ENCRYPTED-DNS"), ("v6-network", "DNSFILTER6-ENCRYPTED-DNS")):
        removal = lines.index(f"no object-group {kind} {group}")
        assert lines.index("no ip access-list extended DNSFILTER") < removal
        assert lines.index("no ipv6 access-list DNSFILTER6") < removal
        assert f"object-group {kind} {group}" not in lines[removal:]


def test_fortinet() -> None:
    found = body("fortinet")
    assert FORTINET_GROUPS in found
    assert '    edit "dnsfilter 192.0.2.0/24"\n        set subnet 192.0.2.0 255.255.255.0\n    next\n' in found
    assert '    edit "dnsfilter 2001:db8::/48"\n        set ip6 2001:db8::/48\n    next\n' in found
    assert '    edit "dnsfilter-banned6"\n        set member "none"\n    next\n' in body("fortinet", NONE)
