"""Capabilities as the kernel shows them, of a process that drops them."""

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.nodes import eventually

SCRIPT = """
from pathlib import Path
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, keep_only
keep_only({kept})
print(Path("/proc/self/status").read_text())
"""
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def _status(kept: str) -> Mapping[str, str]:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(kept=kept)], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(line.split(":\t", 1) for line in ended.stdout.splitlines() if ":\t" in line)


@pytest.mark.parametrize(("kept", "most"), [("()", 0), ("{CAP_NET_BIND_SERVICE}", 1 << 10)])
def test_only_kept_capabilities_are_held(kept: str, most: int) -> None:
    status = _status(kept)
    assert all(int(status[name], 16) & ~most == 0 for name in SETS)
    assert status["NoNewPrivs"] == "1"


def test_privileged_process_keeps_one_capability_and_cannot_regain_others() -> None:
    before = _status("range(64)")
    after = _status("{CAP_NET_BIND_SERVICE}")
    had = int(before["CapEff"], 16)
    assert int(after["CapEff"], 16) == had & 1 << 10
    if had:
        assert int(after["CapBnd"], 16) & ~(1 << 10) == 0


BECOME = """
import os, pwd
from pathlib import Path
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, become, keep_over_exec, unprivileged_user
user = unprivileged_user({configured!r})
if user is not None:
    become(user, {{CAP_NET_BIND_SERVICE}})
keep_over_exec({{CAP_NET_BIND_SERVICE}})
os.execv("/bin/cat", ["cat", "/proc/self/status"])
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def _become(configured: str | None) -> subprocess.CompletedProcess[str]:
    script = BECOME.format(configured=configured)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


@root_only
def test_root_becomes_the_user_with_one_capability_that_survives_exec() -> None:
    ended = _become("nobody")
    status = dict(line.split(":\t", 1) for line in ended.stdout.splitlines() if ":\t" in line)
    nobody = pwd.getpwnam("nobody")
    assert status["Uid"].split() == [str(nobody.pw_uid)] * 4, ended.stderr
    assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert {int(group) for group in status["Groups"].split()} == {nobody.pw_gid}
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {1 << 10}
    assert status["NoNewPrivs"] == "1"


@root_only
def test_a_configured_user_that_does_not_exist_is_named() -> None:
    ended = _become("no-such-user")
    assert ended.returncode == 1
    assert "become user no-such-user: no such user" in ended.stderr


def test_a_process_that_is_tied_to_its_parent_ends_with_it() -> None:
    tied = (
        "import os, sys, time; from dnsfilter.worker.privileges import end_with, keep_only; "
        "print(os.getpid(), end_with(int(sys.argv[1])), end_with(1), flush=True); keep_only(); time.sleep(600)"
    )
    parent = (
        f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {tied!r}, str(os.getpid())], check=False)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, is_parent, is_another = process.stdout.readline().split()
        assert (is_parent, is_another) == ("True", "False")
        process.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


@root_only
def test_a_tie_to_the_parent_outlives_a_change_of_user() -> None:
    tied = (
        "import os, pwd; from dnsfilter.worker.privileges import become, end_with; "
        "assert end_with(os.getppid()); become(pwd.getpwnam('nobody'), ()); "
        "print(os.getpid(), flush=True); os.read(0, 1)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {tied!r}], check=False)"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        process.kill()
        process.wait()
        assert eventually(lambda: not Path(f"/proc/{pid}").exists())
