"""The use of a process is what the kernel says of it. An ended process has none, and its CPU time stays counted."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnsfilter.supervisor.vitals.process_use import ProcessTable, use_of

SPINS_THEN_WAITS = "import os\nwhile sum(os.times()[:2]) < 0.05: pass\nprint(flush=True)\ninput()"


@pytest.fixture
def spun() -> Iterator[subprocess.Popen[str]]:
    """Return a process that has used a twentieth of a second."""
    command = [sys.executable, "-ISc", SPINS_THEN_WAITS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_use_of_this_process() -> None:
    before = use_of(os.getpid())
    with ExitStack() as files:
        for _ in range(10):
            files.enter_context(open(os.devnull))
        after = use_of(os.getpid())
    assert before.open_files is not None
    assert after.open_files == before.open_files + 10
    assert after.open_files_limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert after.memory_bytes is not None
    assert 2**20 < after.memory_bytes < 2**40


def test_cpu_time_is_that_of_the_process(spun: subprocess.Popen[str]) -> None:
    cpu_s = use_of(spun.pid).cpu_s
    assert cpu_s is not None
    assert 0.03 <= cpu_s < 60


def test_ended_process_has_no_use(spun: subprocess.Popen[str]) -> None:
    spun.kill()
    spun.wait()
    use = use_of(spun.pid)
    assert (use.open_files, use.open_files_limit, use.memory_bytes, use.cpu_s) == (None, None, None, None)


def test_cpu_time_of_a_name_does_not_fall_when_its_process_ends(spun: subprocess.Popen[str]) -> None:
    table = ProcessTable()
    spent = table.read([("worker-1", spun.pid)])["worker-1"].cpu_s
    both = table.read([("worker-1", spun.pid), ("worker-1", os.getpid())])["worker-1"]
    spun.kill()
    spun.wait()
    after = table.read([("worker-1", os.getpid())])["worker-1"]
    assert spent is not None
    assert both.cpu_s is not None
    assert after.cpu_s is not None
    assert spent < both.cpu_s <= after.cpu_s
    assert both.open_files == use_of(os.getpid()).open_files


def test_next_program_in_the_same_process_goes_on_with_the_cpu_time_of_each_name(spun: subprocess.Popen[str]) -> None:
    table = ProcessTable({"worker-2": 1.5})
    names = [("supervisor", os.getpid()), ("worker-1", spun.pid)]
    before = table.read(names)
    spun.kill()
    spun.wait()
    kept = table.without(os.getpid())
    assert kept == {"worker-1": before["worker-1"].cpu_s, "worker-2": 1.5}
    spent, own = before["worker-1"].cpu_s, use_of(os.getpid()).cpu_s
    after = ProcessTable(kept).read([("worker-1", os.getpid())])["worker-1"].cpu_s
    assert spent is not None
    assert own is not None
    assert after is not None
    assert after >= spent + own
