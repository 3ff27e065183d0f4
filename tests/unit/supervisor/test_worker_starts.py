"""Workers are forks of a zygote that has nothing of the supervisor, and that is replaced if it fails."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsfilter.engine.choice import EngineKind
from dnsfilter.supervisor import worker_starts
from dnsfilter.supervisor.worker_starts import ChildProcess, WorkerStarts
from dnsfilter.worker import zygote
from tests.support.nodes import eventually, worker_pids

pytestmark = pytest.mark.heavy

KIND = EngineKind.REFERENCE


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerStarts]:
    for name in zygote.NOT_FOR_CHILDREN:
        monkeypatch.setenv(name, "1")
    made = WorkerStarts()
    yield made
    made.close()


def fields(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def ends(process: ChildProcess, sock: socket.socket) -> None:
    sock.close()
    assert eventually(lambda: process.poll() is not None)


def descriptors(pid: int) -> list[str]:
    """Return what a process has open after standard input, output and errors."""
    numbers = sorted(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
    return [os.readlink(f"/proc/{pid}/fd/{number}").partition(":")[0] for number in numbers if number > 2]


def test_a_worker_is_a_child_of_the_supervisor_without_privileges_and_with_its_channel_alone(
    starts: WorkerStarts,
) -> None:
    process, sock = starts.start(KIND)
    assert starts.pid is not None
    assert eventually(lambda: worker_pids(os.getpid()) == [process.pid])
    found = fields(process.pid)
    assert (int(found["PPid"]), int(found["CapPrm"], 16), found["NoNewPrivs"]) == (os.getpid(), 0, "1")
    assert (found["Name"], fields(starts.pid)["Name"]) == ("dns-worker", "dns-zygote")
    assert eventually(lambda: descriptors(process.pid) == ["socket"])
    assert descriptors(starts.pid) == ["socket"]
    assert os.readlink(f"/proc/{process.pid}/fd/0") == os.devnull
    assert fields(starts.pid)["Threads"].strip() == "1"
    loaded = Path(f"/proc/{process.pid}/maps").read_text()
    assert "msgspec" in loaded
    assert "pydantic" not in loaded
    ends(process, sock)


def test_a_worker_outlives_its_zygote_and_the_next_one_gets_another(starts: WorkerStarts) -> None:
    first, sock = starts.start(KIND)
    before = starts.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    second, other = starts.start(KIND)
    assert starts.pid != before
    assert not Path(f"/proc/{before}").exists()  # reaped
    assert first.poll() is None
    starts.close()
    assert (first.poll(), second.poll()) == (None, None)
    ends(first, sock)
    ends(second, other)


def test_a_zygote_that_does_not_answer_is_replaced(starts: WorkerStarts, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(*starts.start(KIND))
    before = starts.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    ask, times = WorkerStarts._ask, iter((0.1, 60.0))

    def impatient(self: WorkerStarts, kind: EngineKind, channel: socket.socket) -> tuple[ChildProcess, socket.socket]:
        monkeypatch.setattr(worker_starts, "ANSWER_S", next(times))
        return ask(self, kind, channel)

    monkeypatch.setattr(WorkerStarts, "_ask", impatient)
    ends(*starts.start(KIND))
    assert starts.pid != before


def test_a_fork_that_the_system_refuses_is_an_error_and_the_zygote_stays(starts: WorkerStarts) -> None:
    ends(*starts.start(KIND))
    before = starts.pid
    assert before is not None
    limited = subprocess.run(["prlimit", f"--pid={before}", "--nofile=4:4"], capture_output=True)
    if limited.returncode != 0:
        pytest.skip("prlimit is not available")
    with pytest.raises(OSError, match="Too many open files"):
        starts.start(KIND)
    assert starts.pid == before


SCRIPT = """
import os, secrets, sys, time
from pathlib import Path
from dnsfilter.worker.zygote import fork_zygote
made = fork_zygote()
assert "pydantic" not in sys.modules
secret = secrets.token_hex(32)
known = "msgspec"
from dnsfilter.engine.choice import EngineKind
from dnsfilter.supervisor.worker_starts import WorkerStarts
starts = WorkerStarts(made)
starts.drop_privileges(None)
process, sock = starts.start(EngineKind.REFERENCE)
for pid in (os.getpid(), made.pid, process.pid):
    found = {secret: 0, known: 0}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *rest = line.split()
            if "w" in rights:
                start, end = (int(number, 16) for number in span.split("-"))
                memory.seek(start)
                content = memory.read(end - start)
                for text in found:
                    found[text] += content.count(text.encode())
    print(found[secret] > 0, found[known] > 0)
sock.close()
starts.close()
"""


def test_no_worker_has_a_secret_that_the_supervisor_has_read() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout.splitlines(), done.stderr) == (["True True", "False True", "False True"], "")
