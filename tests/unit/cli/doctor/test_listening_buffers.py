"""Receive buffers that are too small for a burst."""

from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.doctor.listening import RMEM_MAX, buffers
from tests.support.doctor_subjects import page, subject, texts, write


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
