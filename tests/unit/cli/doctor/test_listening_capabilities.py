"""Processes of the node with too many privileges, or too few."""

from pathlib import Path

import pytest

from dnsfilter.cli.doctor.listening import capabilities
from tests.support.doctor_subjects import BIND, add_node, subject, texts


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"uid": 0}, ["python3 (process 11) runs as root (the first of 2 processes)"]),
        ({"worker_mask": BIND}, ["python3 (process 12) has capabilities that it does not need: 0x400"]),
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
