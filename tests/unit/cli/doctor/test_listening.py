"""What listens on this machine: addresses, ports, answers, buffers, capabilities and connection tracking."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.listening import (
    MOST_TRACKED,
    RMEM_MAX,
    TRACKED,
    TRACKED_ENTRIES,
    addresses,
    answers,
    buffers,
    capabilities,
    conntrack,
    ports,
)
from tests.support.answering_server import server
from tests.support.doctor_subjects import BIND, LISTEN, add_node, add_process, add_socket, page, subject, texts, write


def test_address_that_this_machine_lacks_is_found_until_it_is_removed(tmp_path: Path) -> None:
    node = subject(tmp_path, listen="192.0.2.1")
    (found,) = addresses(node).findings
    assert found.text == "listen names 192.0.2.1:53, but this machine does not have 192.0.2.1"
    assert "reload-or-restart" in found.advice
    assert texts(answers(node)) == []  # nothing can answer there, and a restart would not help
    assert texts(addresses(subject(tmp_path, listen="127.0.0.1"))) == []


def test_silent_address_is_found_until_it_answers(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(with_tcp=False) as half:
        found = answers(replace(node, config=replace(node.config, listen=(half,))))
    assert texts(found) == [f"the node is silent: ask 127.0.0.1:{half.port} over TCP: connection refused"]
    with server() as complete:
        assert texts(answers(replace(node, config=replace(node.config, listen=(complete,))))) == []


def test_node_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    assert answers(replace(subject(tmp_path), page="connection refused")).unseen


def test_limit_of_the_kernel_is_found_until_it_is_raised_and_the_node_restarted(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), page=page(dnsfilter_receive_buffer_bytes=425_984))
    write(node.root, RMEM_MAX, "212992\n")
    (found,) = buffers(node).findings
    assert found.text == "net.core.rmem_max is 212992: a socket holds 5 ms of a burst"
    assert "sysctl net.core.rmem_max=4194304 && systemctl restart dnsfilter" in found.advice
    assert "/usr/lib/sysctl.d/60-dnsfilter.conf" in found.advice  # sysctl.d(5) reads only names that end so
    write(node.root, RMEM_MAX, "4194304\n")
    (found,) = buffers(node).findings
    assert "got 425984 bytes, although the kernel allows more now" in found.text
    assert texts(buffers(replace(node, page=page(dnsfilter_receive_buffer_bytes=8_388_608)))) == []


def test_machine_without_the_limit_is_unknown(tmp_path: Path) -> None:
    assert buffers(subject(tmp_path)).unseen


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"uid": 0}, ["python3 (process 11) runs as root (the first of 2 processes)"]),
        ({"worker_mask": BIND}, ["dnsfilter (process 12) has capabilities that it does not need: 0x400"]),
        ({"supervisor_mask": BIND | 1}, ["python3 (process 11) has capabilities that it does not need: 0x401"]),
        (
            {"supervisor_mask": 0},
            ["python3 (process 11) lacks CAP_NET_BIND_SERVICE: after a reload it cannot bind another address"],
        ),
    ],
)
def test_wrong_privileges_are_found_until_the_unit_sets_them(
    tmp_path: Path, wrong: dict[str, int], expected: list[str]
) -> None:
    node = subject(tmp_path)
    add_node(node.root, **wrong)
    found = capabilities(node)
    assert sorted(texts(found)) == expected
    assert "systemctl restart dnsfilter" in found.findings[0].advice
    add_node(node.root)
    assert texts(capabilities(node)) == []


def test_supervisor_needs_no_capability_where_port_53_is_free_for_all(tmp_path: Path) -> None:
    node = subject(tmp_path)
    add_node(node.root, supervisor_mask=0)
    (node.root / "proc/sys/net/ipv4").mkdir(parents=True)
    (node.root / "proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("53\n")
    assert texts(capabilities(node)) == []


def test_without_a_running_node_nothing_is_known(tmp_path: Path) -> None:
    assert capabilities(subject(tmp_path)).unseen


ENTRY = "ipv4 2 udp 17 29 src=192.0.2.7 dst=192.0.2.1 sport=40000 dport=53 src=192.0.2.1 dst=192.0.2.7 use=2\n"


def test_full_table_is_found_with_its_queries_until_they_are_not_tracked(tmp_path: Path) -> None:
    node = subject(tmp_path)
    write(node.root, TRACKED, "600\n")
    write(node.root, MOST_TRACKED, "1000\n")
    write(node.root, TRACKED_ENTRIES, 3 * ENTRY)
    (found,) = conntrack(node).findings
    assert found.text == (
        "600 of 1000 entries of connection tracking are in use; 3 of the first 3 entries are queries to port 53"
    )
    assert "fib daddr type local udp dport 53 notrack" in found.advice
    assert "sysctl net.netfilter.nf_conntrack_max=4000" in found.advice
    write(node.root, TRACKED, "2\n")
    assert texts(conntrack(node)) == []
    assert "3 of the first 3 entries are queries" in conntrack(node).seen


def test_kernel_without_tracking_is_fine(tmp_path: Path) -> None:
    assert conntrack(subject(tmp_path)).seen == "the kernel tracks no connections"


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
