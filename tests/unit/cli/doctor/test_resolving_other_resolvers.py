"""A second resolver in a list with this node."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.cli.doctor import resolving as checked
from dnsfilter.cli.doctor.resolving import other_resolvers
from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.slow_path.local import HEALTH_NAME, PROBE_NAME
from tests.support.doctor_subjects import answers, subject, texts, write

LISTS = [
    ("etc/resolv.conf", "nameserver 192.0.2.1\nnameserver {}\n"),
    ("run/NetworkManager/resolv.conf", "nameserver 192.0.2.1\nnameserver {}\n"),
    ("run/systemd/netif/leases/2", "ADDRESS=192.0.2.7\nDNS=192.0.2.1 {}\n"),
    ("var/lib/dhcp/dhclient.eth0.leases", "lease {{\n  option domain-name-servers 192.0.2.1,{};\n}}\n"),
    ("etc/dnsmasq.d/office", "dhcp-option=option:dns-server,192.0.2.1,{}\n"),
    ("etc/dnsmasq.conf", "dhcp-option=tag:office,6,192.0.2.1,{}\n"),
    ("etc/kea/kea-dhcp4.conf", '{{"name": "domain-name-servers", "data": "192.0.2.1, {}"}}'),
]


LISTS_OF_IPV6 = [
    ("etc/radvd.conf", "interface eth0 {{\n    RDNSS 2001:db8::1 {}\n    {{\n    }};\n}};\n"),
    ("etc/dnsmasq.conf", "dhcp-option=option6:dns-server,[2001:db8::1],[{}]\n"),
    ("etc/dnsmasq.conf", "dhcp-option=option6:dns-server,[::],[{}]\n"),
    ("etc/kea/kea-dhcp6.conf", '{{"name": "dns-servers", "data": "2001:db8::1, {}"}}'),
]


@pytest.mark.parametrize(("path", "content"), LISTS_OF_IPV6)
def test_other_resolver_in_a_list_of_ipv6_addresses_is_found(
    tmp_path: Path, path: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "is_a_node", lambda endpoint: False)
    node = subject(tmp_path, listen="2001:db8::1")
    write(node.root, path, content.format("2001:db8::9"))
    assert texts(other_resolvers(node)) == [
        f"/{path} names 2001:db8::9 next to this node: clients that are refused ask it"
    ]
    write(node.root, path, content.format("2001:db8::1"))
    assert "lists of other machines are not seen" in other_resolvers(node).seen


@pytest.mark.parametrize(("path", "content"), LISTS)
def test_other_resolver_is_found_until_it_is_removed(
    tmp_path: Path, path: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "is_a_node", lambda endpoint: False)
    node = subject(tmp_path)
    write(node.root, path, content.format("198.51.100.9"))
    (found,) = other_resolvers(node).findings
    assert found.text == f"/{path} names 198.51.100.9 next to this node: clients that are refused ask it"
    assert found.advice.startswith("remove 198.51.100.9 from DHCP")
    write(node.root, path, content.format("192.0.2.1"))
    assert texts(other_resolvers(node)) == []


def test_second_node_and_lists_without_this_node_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "is_a_node", lambda endpoint: str(endpoint.address) == "192.0.2.2")
    node = subject(tmp_path)
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    write(node.root, "run/systemd/netif/leases/3", "DNS=198.51.100.9\n")
    assert texts(other_resolvers(node)) == []


def test_second_node_is_known_by_the_name_that_it_answers_to_every_client(monkeypatch: pytest.MonkeyPatch) -> None:
    # The second node may refuse this machine: its own addresses need not be in a range.
    replies = {PROBE_NAME: "NOERROR", HEALTH_NAME: "REFUSED"}
    monkeypatch.setattr(
        checked, "ask", lambda server, name, qtype: answers(replies[name], "probe. 0 TXT node=ns2")(server, name, qtype)
    )
    assert checked.is_a_node(Endpoint(ip_address("192.0.2.2"), 53))


def test_servers_behind_the_stub_of_systemd_resolved_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "is_a_node", lambda endpoint: False)
    node = subject(tmp_path)
    write(node.root, "etc/resolv.conf", "nameserver 127.0.0.53\n")
    write(node.root, "run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\nnameserver 198.51.100.9\n")
    (text,) = texts(other_resolvers(node))
    assert text.startswith("/run/systemd/resolve/resolv.conf names 198.51.100.9")
