"""The handover to another program in the same process, over a real exec."""

import json
import os
import subprocess
import sys

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.upgrade import NOTHING, VARIABLE, restore_totals, take_handover
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker.sealed import seal
from tests.support.ports import free_port

OLD = """
import signal, socket, subprocess, sys
from ipaddress import ip_address
from dnsfilter.config.node_config import Endpoint
from dnsfilter.supervisor.sockets import open_listening, open_tcp
from dnsfilter.supervisor.upgrade import hand_over
from dnsfilter.worker.sealed import seal
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
loopback = ip_address("127.0.0.1")
metrics = Endpoint(loopback, {metrics})
listening = open_listening([Endpoint(loopback, {port})], 2)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for _ in range(64):
        client.sendto(b"waiting", ("127.0.0.1", {port}))
ours, theirs = socket.socketpair()
child = subprocess.Popen(["cat"], stdin=theirs.fileno())
theirs.close()
program = ({program!r}, "-c", {new!r})
try:
    workers, caches = [(child.pid, ours.fileno())], [seal("test", b"cache")]
    hand_over(program, listening, (metrics, open_tcp(metrics)), workers, b"totals", 7, caches)
except OSError as error:
    inheritable = [sock.get_inheritable() for _, sock in listening.bound()]
    print(error.errno, any(inheritable), signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)
    ours.close()
"""
NEW = """
import json, os, signal, time
from dnsfilter.supervisor.upgrade import VARIABLE, take_handover
found = take_handover()
waiting = 0
for (kind, _endpoint), sock in found.sockets:
    sock.setblocking(False)
    try:
        while sock.recv(100) == b"waiting":
            waiting += 1
    except OSError:
        pass
(worker,) = found.workers
alive = not worker.has_ended()
worker.dismiss()
while not worker.has_ended():
    time.sleep(0.01)
print(json.dumps({
    "places": [[kind.name, endpoint.port] for (kind, endpoint), _ in found.sockets],
    "metrics": found.status[0].port,
    "totals": found.totals.decode(),
    "caches": [os.pread(fd, 100, 0).decode() for fd in found.caches],
    "waiting": waiting,
    "dropped": found.dropped,
    "alive": alive,
    "passed on": [sock.get_inheritable() for _, sock in found.sockets]
    + [os.get_inheritable(fd) for fd in found.caches] + [VARIABLE in os.environ],
    "ignored": [signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGHUP, signal.SIGUSR2)],
}))
"""


def hand_over(program: str) -> tuple[int, int, str]:
    """Return the two ports and the output of the old or the new program."""
    port, metrics = free_port(), free_port()
    script = OLD.format(port=port, metrics=metrics, program=program, new=NEW)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return port, metrics, ended.stdout


def test_sockets_with_waiting_queries_and_workers_are_handed_over() -> None:
    port, metrics, said = hand_over(sys.executable)
    assert json.loads(said) == {
        "places": [["SOCK_DGRAM", port], ["SOCK_STREAM", port]] * 2,
        "metrics": metrics,
        "totals": "totals",
        "caches": ["cache"],
        "waiting": 64,
        "dropped": 7,
        "alive": True,
        "passed on": [False] * 6,
        "ignored": [True, True],
    }


def test_failed_exec_leaves_everything_as_before() -> None:
    assert hand_over("/nonexistent")[2].split() == ["2", "False", "True"]


def test_process_without_a_handover_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert take_handover() == NOTHING


def test_handover_for_another_process_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"pid": os.getpid() + 1, "sockets": [], "status": ["127.0.0.1:1", 0], "workers": []}
    monkeypatch.setenv(VARIABLE, str(seal("test", json.dumps(said).encode())))
    assert take_handover() == NOTHING


def test_trial_fails_if_the_running_program_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"pid": os.getpid(), "sockets": [], "status": ["127.0.0.1:1", 0], "workers": [], "trial_of": 1}
    monkeypatch.setenv(VARIABLE, str(seal("test", json.dumps(said).encode())))
    monkeypatch.setattr("dnsfilter.supervisor.upgrade.end_with", lambda parent: parent == os.getppid())
    with pytest.raises(UnavailableError, match="which asked for it, has ended"):
        take_handover()


@pytest.mark.parametrize("said", ["nonsense", "[]", '{"pid": PID}', '{"pid": PID, "sockets": [[2, "nowhere", 0]]}'])
def test_invalid_handover_is_an_error(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = said.replace("PID", str(os.getpid())).encode()
    monkeypatch.setenv(VARIABLE, str(seal("test", content)))
    with pytest.raises(UnavailableError, match="take over from the previous program"):
        take_handover()


@pytest.mark.parametrize("number", ["x", "99999"])
def test_invalid_descriptor_number_is_an_error(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, number)
    with pytest.raises(UnavailableError, match="take over from the previous program"):
        take_handover()


@pytest.mark.parametrize("data", [None, b"damaged"])
def test_totals_that_cannot_be_read_cost_only_the_counters(
    data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    totals = Totals()
    assert restore_totals(totals, data) == {}
    assert set(totals.snapshot().samples.values()) == {0}
    assert ("counters start at 0" in caplog.text) == (data is not None)
