"""The table for nft. tests/integration/test_firewall.py applies it."""

from ipaddress import ip_address, ip_network

from dnsfilter.config.node_config import Endpoint
from dnsfilter.firewall.nftables import table_text
from dnsfilter.firewall.rule_set import RuleSet, Surroundings
from dnsfilter.policy.model import ENCRYPTED_DNS

AROUND = Surroundings((ip_address("192.0.2.53"),), {ENCRYPTED_DNS: (ip_network("9.9.9.9/32"),)})
RULES = RuleSet((ip_network("192.0.2.0/24"), ip_network("2001:db8::/48")), ((ENCRYPTED_DNS, ()),))


def lines(rules: RuleSet, around: Surroundings) -> list[str]:
    return [line.strip() for line in table_text(rules, around).splitlines()]


def test_the_own_table_is_replaced_and_no_other_is_named() -> None:
    found = lines(RULES, AROUND)
    assert found[:3] == ["table inet dnsfilter", "delete table inet dnsfilter", "table inet dnsfilter {"]
    assert [line for line in found if "table" in line] == found[:3]


def test_a_set_without_elements_has_no_list_of_them() -> None:
    found = lines(RULES, AROUND)
    assert [line for line in found if line.startswith("elements")] == [
        "elements = { 192.0.2.53 }",
        "elements = { 192.0.2.0/24 }",
        "elements = { 9.9.9.9/32 }",
        "elements = { 2001:db8::/48 }",
    ]


def test_resolvers_come_before_every_refusal() -> None:
    chain = lines(RULES, AROUND)
    chain = chain[chain.index("chain forward {") :]
    accepted = [number for number, line in enumerate(chain) if line.endswith(" accept")]
    refused = [number for number, line in enumerate(chain) if line.endswith("goto refuse")]
    assert len(accepted) == 4
    assert len(refused) == 6
    assert max(accepted) < min(refused)


def test_queries_are_redirected_to_an_endpoint_of_their_family() -> None:
    endpoints = (Endpoint(ip_address("192.0.2.53"), 5353), Endpoint(ip_address("::"), 53))
    found = lines(RULES, Surroundings(AROUND.resolvers, AROUND.addresses, endpoints))
    assert [line for line in found if "banned" in line and ("dnat" in line or "redirect" in line)] == [
        "ip saddr @banned4 meta l4proto { tcp, udp } th dport 53 dnat ip to 192.0.2.53:5353",
        "ip6 saddr @banned6 meta l4proto { tcp, udp } th dport 53 redirect to :53",
    ]
    assert "chain prerouting {" not in lines(RULES, AROUND)
