"""Connection tracking that fills."""

from pathlib import Path

from dnsfilter.cli.doctor.listening import MOST_TRACKED, TRACKED, TRACKED_ENTRIES, conntrack
from tests.support.doctor_subjects import subject, texts, write

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
