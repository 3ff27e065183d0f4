"""What a worker reports to the firewall, and what happens without one."""

import logging
import os
import socket
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Egress, EgressNetwork
from dnsfilter.worker.abstract_sockets import peer_uid
from dnsfilter.worker.egress import (
    MESSAGE_BYTES,
    AnsweredTo,
    AnswerReports,
    pack_answered,
    read_answered,
    socket_name,
)
from tests.unit.worker.test_answered_addresses import reply

OFFICE = Egress(networks=(EgressNetwork("office", (ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/64"))),))
INSIDE, INSIDE6, OUTSIDE = (ip_address(each).packed for each in ("10.1.2.3", "2001:db8:1::7", "10.2.0.1"))
ANSWER, ADDRESS = reply(("www.example.org.", 60, "A", "192.0.2.1")), ip_address("192.0.2.1").packed


def receiver(directory: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.bind(socket_name(directory))
    made.listen()
    made.settimeout(10)
    return made


@pytest.mark.parametrize("client", [INSIDE, INSIDE6])
def test_a_message_is_read_as_it_was_packed(client: bytes) -> None:
    answered = AnsweredTo(client, {ADDRESS: 60, ip_address("2001:db8::1").packed: 2**32 - 1})
    assert read_answered(pack_answered(answered)) == answered


def test_a_large_reply_is_one_message() -> None:
    many = {number.to_bytes(4, "big"): 60 for number in range(1_000)}
    assert len(pack_answered(AnsweredTo(INSIDE, many))) == MESSAGE_BYTES


@pytest.mark.parametrize("size", [0, 15, 17, 35])
def test_a_cut_message_is_rejected(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        read_answered(bytes(size))


def test_replies_to_clients_of_a_network_are_reported(tmp_path: Path) -> None:
    reports = AnswerReports(OFFICE, tmp_path)
    with closing(reports), receiver(tmp_path) as listening:
        for client in (OUTSIDE, INSIDE, INSIDE6):
            reports(client, ANSWER)
        reports(INSIDE, b"malformed")
        peer, _ = listening.accept()
        with peer:
            assert [read_answered(peer.recv(MESSAGE_BYTES)).client for _ in range(2)] == [INSIDE, INSIDE6]
            assert peer_uid(peer) == os.geteuid()


def test_a_busy_worker_finds_a_receiver_that_comes_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = iter(tenth / 10 for tenth in range(10_000))
    reports = AnswerReports(OFFICE, tmp_path, lambda: next(clock))
    for _ in range(50):
        reports(INSIDE, ANSWER)
    with closing(reports), receiver(tmp_path) as listening:
        for _ in range(20):
            reports(INSIDE, ANSWER)
        with closing(listening.accept()[0]) as peer:
            assert read_answered(peer.recv(MESSAGE_BYTES)).addresses == {ADDRESS: 60}
        assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_loss_is_logged_once_a_minute_and_its_end_after_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    seconds = iter((0.0, 30.0, 61.0, 90.0, 121.0))
    reports = AnswerReports(OFFICE, tmp_path, lambda: next(seconds))
    for _ in range(3):
        reports(INSIDE, ANSWER)
    with closing(reports), receiver(tmp_path):
        reports(INSIDE, ANSWER)
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        reports(INSIDE, ANSWER)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "INFO"]


def test_a_full_queue_loses_reports_without_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reports = AnswerReports(OFFICE, tmp_path)
    with closing(reports), receiver(tmp_path):
        for _ in range(20_000):
            reports(INSIDE, ANSWER)
    assert len(caplog.records) == 1
