"""Ports that nobody holds, that another program holds, or that are held by whom this user may not see."""

import os
import socket
from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.doctor.listening import ports
from tests.support.doctor_subjects import LISTEN, add_node, add_process, add_socket, subject, texts, write


def test_port_that_nobody_holds_is_found_until_the_node_starts(tmp_path: Path) -> None:
    node = subject(tmp_path)
    found = ports(node)
    assert texts(found) == [
        "nothing listens on 192.0.2.1:53 over UDP",
        "nothing listens on 192.0.2.1:53 over TCP",
        "nothing listens on 127.0.0.1:9153 over TCP",
    ]
    assert "systemctl start dnsfilter" in found.findings[0].advice
    add_node(node.root)
    assert texts(ports(node)) == []
    assert not ports(node).unseen


def test_another_program_is_named_with_its_unit_and_how_to_stop_it(tmp_path: Path) -> None:
    node = subject(tmp_path)
    add_socket(node.root, "udp", "0.0.0.0", 53, 7)
    add_process(node.root, 412, "/usr/sbin/dnsmasq", inodes=(7,), unit="dnsmasq.service")
    (first, *_) = ports(node).findings
    assert first.text == "192.0.2.1:53 over UDP is held by dnsmasq (process 412 of dnsmasq.service), not by the node"
    assert "systemctl disable --now dnsmasq.service && systemctl restart dnsfilter" in first.advice
    (node.root / "proc/net/udp").unlink()
    add_node(node.root)
    assert texts(ports(node)) == []


def test_stub_of_systemd_resolved_is_switched_off_not_stopped(tmp_path: Path) -> None:
    node = subject(tmp_path, listen="127.0.0.53")
    add_socket(node.root, "udp", "127.0.0.53", 53, 7)
    add_process(node.root, 9, "/lib/systemd/systemd-resolved", inodes=(7,), unit="systemd-resolved.service")
    assert "DNSStubListener=no" in ports(node).findings[0].advice


def test_program_at_one_address_keeps_the_node_from_all(tmp_path: Path) -> None:
    node = subject(tmp_path, listen="0.0.0.0")
    add_socket(node.root, "udp", "127.0.0.53", 53, 7)
    add_socket(node.root, "udp6", "2001:db8::53", 53, 8)
    add_process(node.root, 9, "/lib/systemd/systemd-resolved", inodes=(7,), unit="systemd-resolved.service")
    (first, *_) = ports(node).findings
    assert first.text.startswith("0.0.0.0:53 over UDP is held by systemd-resolved (process 9")
    assert "DNSStubListener=no" in first.advice


def test_service_of_a_login_is_not_a_unit_to_disable(tmp_path: Path) -> None:
    node = subject(tmp_path)
    add_socket(node.root, "udp", "0.0.0.0", 53, 7)
    add_process(node.root, 412, "/usr/bin/dnsmasq", inodes=(7,))
    write(node.root, "proc/412/cgroup", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/try.service\n")
    (first, *_) = ports(node).findings
    assert "user@1000" not in first.text + first.advice
    assert "type kill 412" in first.advice


def test_process_with_an_odd_name_does_not_stop_the_check(tmp_path: Path) -> None:
    node = subject(tmp_path)
    add_node(node.root)
    add_process(node.root, 5, "/opt/odd")
    write(node.root, "proc/5/status", b"Name:\t\xff\xfe\nUid:\t0\t0\t0\t0\nCapEff:\t0\n")
    assert texts(ports(node)) == []


def test_holder_that_this_user_may_not_see_is_unknown(tmp_path: Path) -> None:
    node = subject(tmp_path)
    add_node(node.root)
    for pid in (11, 12):
        for link in (node.root / f"proc/{pid}/fd").iterdir():
            link.unlink()
    found = ports(node)
    assert texts(found) == []
    assert found.unseen == "which process of user 997 holds a port: run this as root"


def test_addresses_of_both_families_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    node = subject(tmp_path, listen="2001:db8::53")
    add_node(node.root)
    add_socket(node.root, "udp6", "2001:db8::53", 53, 101)
    add_socket(node.root, "tcp6", "2001:db8::53", 53, 102, listens=True)
    assert texts(ports(node)) == []
    assert LISTEN not in ports(node).seen


def test_this_process_is_seen_as_the_holder_of_its_own_port(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        node = replace(subject(tmp_path, listen=f"127.0.0.1:{held.getsockname()[1]}"), root=Path("/"))
        assert any(f"(process {os.getpid()}" in text for text in texts(ports(node)))
