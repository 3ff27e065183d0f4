"""The table of resolved-only egress as text."""

from ipaddress import ip_address, ip_network

from dnsfilter.config.node_config import Egress, EgressMode, EgressNetwork
from dnsfilter.firewall.egress_rules import REMOVAL, elements_text, table_text

OFFICE = EgressNetwork("office", (ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/64")))


def test_only_enforce_drops() -> None:
    audit, enforce = (table_text(Egress(mode, networks=(OFFICE,)), {}) for mode in EgressMode)
    assert "drop" not in audit
    assert enforce.replace(" drop", "") == audit


def test_the_table_is_replaced_with_clients_exceptions_and_open_addresses() -> None:
    admit = (ip_network("10.0.0.0/8"),)
    text = table_text(Egress(admit=admit, networks=(OFFICE,)), {("office", ip_address("192.0.2.1")): 9})
    assert text.startswith(REMOVAL)
    for line in ("elements = { 10.0.0.0/8 }", "elements = { 10.1.0.0/16 }", "elements = { 2001:db8:1::/64 }"):
        assert line in text
    assert text.endswith("add element inet dnsfilter_egress office_answered4 { 192.0.2.1 timeout 9s }\n")


def test_an_element_is_renewed_by_removal_and_addition() -> None:
    lines = elements_text({("office", ip_address("2001:db8::1")): 300}).splitlines()
    assert [line.split()[0] for line in lines] == ["add", "delete", "add"]
    assert all("office_answered6" in line for line in lines)
