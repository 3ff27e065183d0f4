"""Names: upstreams, own names, other resolvers, and clients that ask too much."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.rcode
import pytest

from dnsfilter.cli.doctor import resolving as checked
from dnsfilter.cli.doctor.resolving import BY_ADDRESS, clients, other_resolvers, own_names, upstreams
from dnsfilter.config.node_config import Endpoint, Zone
from dnsfilter.engine.slow_path.local import HEALTH_NAME, PROBE_NAME
from dnsfilter.wire.names import parse_name
from tests.support.answering_server import server
from tests.support.doctor_subjects import answers, counted, subject, texts, with_servers, write
from tests.support.policies import network, policy

RANGES = policy(network("192.0.2.0/24", "ghent"), network("198.51.100.1/32", "diest"))


def test_client_with_more_than_half_of_its_ranges_queries_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = replace(subject(tmp_path, published=RANGES), count_s=60.0)
    sent = counted(a192_0_2_7=710, a192_0_2_8=290, a198_51_100_1=900, a203_0_113_9=900)
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: sent)
    (found,) = clients(node).findings
    assert found.text == "192.0.2.7 sends 71 % of the queries of 192.0.2.0/24 (ghent): 710 of 1000"
    assert "tcpdump -n -c 50 host 192.0.2.7 and port 53" in found.advice
    sent.update(counted(a192_0_2_8=420))
    assert texts(clients(node)) == []


def test_few_queries_are_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = replace(subject(tmp_path, published=RANGES), count_s=60.0)
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: counted(a192_0_2_7=99))
    assert texts(clients(node)) == []


def test_nothing_is_counted_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: pytest.fail("clients were counted"))
    assert "--count-clients 60" in clients(subject(tmp_path)).unseen


def test_user_who_may_not_count_learns_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(ports: object, for_s: float) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(checked, "count_clients", refused)
    assert "run this as root" in clients(replace(subject(tmp_path), count_s=1.0)).unseen


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


SERVER = "mail, log or database server"
GOOD = answers("NOERROR", "control.example.org. 60 IN A 192.0.2.9")


@pytest.mark.parametrize(
    ("path", "content", "purpose"),
    [
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_DATABASE=postgresql+psycopg://a:b@mail.example.org/c\n",
            SERVER,
        ),
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_NOTICES_MAIL=smtp://mail.example.org?from=a@b.example\n",
            SERVER,
        ),
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_EVENTS_SYSLOG=tls://mail.example.org\n",
            SERVER,
        ),
        ("etc/systemd/timesyncd.conf", "[Time]\nNTP=mail.example.org 192.0.2.123\n", "time server"),
        ("etc/chrony/chrony.conf", "pool mail.example.org iburst\n", "time server"),
    ],
)
def test_name_that_only_this_node_resolves_is_found_until_hosts_has_it(
    tmp_path: Path, path: str, content: str, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", GOOD)
    node = subject(tmp_path)
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\n")
    write(node.root, path, content)
    (found,) = own_names(node).findings
    assert found.text.startswith(f"mail.example.org, the {purpose}, is resolved by this node alone")
    if purpose == "time server":
        assert found.advice == BY_ADDRESS
    else:
        assert found.advice == "type echo '192.0.2.9 mail.example.org' >> /etc/hosts"
    write(node.root, "etc/hosts", "127.0.0.1 localhost # not mail.example.org\n")
    assert texts(own_names(node))
    write(node.root, "etc/hosts", "127.0.0.1 localhost\n192.0.2.9 mail.example.org\n")
    assert texts(own_names(node)) == []


def test_control_plane_is_one_of_them_and_a_second_resolver_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", GOOD)
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\n")
    (text,) = texts(own_names(node))
    assert text.startswith("control.example.org, the control plane, is resolved by this node alone")
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    assert texts(own_names(node)) == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (answers("REFUSED"), "this node answers REFUSED for control.example.org"),
        (answers("NOERROR"), "this node has no address for control.example.org"),
    ],
)
def test_name_that_this_node_does_not_resolve_is_found(
    tmp_path: Path, answer: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", answer)
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    (found,) = own_names(node).findings
    assert found.text == text
    assert found.advice == f"type dnsfilter query control.example.org {node.options}"


def test_machine_that_asks_another_resolver_is_fine(tmp_path: Path) -> None:
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.99\n")
    assert texts(own_names(node)) == []


def test_server_without_tcp_is_found_until_its_port_is_open(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(with_tcp=False) as only_udp:
        (found,) = upstreams(replace(node, config=with_servers(node.config, only_udp))).findings
    assert found.text == f"ask 127.0.0.1:{only_udp.port} over TCP: connection refused"
    assert f"runs at 127.0.0.1, and that firewalls pass port {only_udp.port} over TCP" in found.advice
    assert f"dig +tcp -p {only_udp.port} @127.0.0.1 . NS" in found.advice
    with server() as both:
        assert texts(upstreams(replace(node, config=with_servers(node.config, both)))) == []


def test_server_that_refuses_is_found_and_zone_servers_are_asked_too(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server() as good, server(dns.rcode.REFUSED) as refusing:
        zone = Zone(parse_name("corp.example.org"), (refusing,))
        config = replace(with_servers(node.config, good), zones=(zone,))
        found = upstreams(replace(node, config=config))
    assert texts(found) == [
        f"127.0.0.1 port {refusing.port} over UDP answers REFUSED",
        f"127.0.0.1 port {refusing.port} over TCP answers REFUSED",
    ]
    assert f"dig -p {refusing.port} @127.0.0.1 corp.example.org SOA" in found.findings[0].advice


def test_server_that_does_not_recurse_is_found(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(recurses=False) as limited:
        found = upstreams(replace(node, config=with_servers(node.config, limited)))
    assert texts(found) == [
        f"127.0.0.1 port {limited.port} over UDP answers without recursion",
        f"127.0.0.1 port {limited.port} over TCP answers without recursion",
    ]
    assert "enable recursion there for this machine" in found.findings[0].advice
