"""Capabilities, looked at in the kernel's own words, in a process that gives them up."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

SCRIPT = """
from pathlib import Path
from dnsfilter.node.privileges import CAP_NET_BIND_SERVICE, keep_only
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
def test_nothing_is_held_beyond_what_was_kept(kept: str, most: int) -> None:
    status = _status(kept)
    assert all(int(status[name], 16) & ~most == 0 for name in SETS)
    assert status["NoNewPrivs"] == "1"


def test_a_privileged_process_keeps_the_one_and_cannot_regain_the_others() -> None:
    before = _status("range(64)")
    after = _status("{CAP_NET_BIND_SERVICE}")
    had = int(before["CapEff"], 16)
    assert int(after["CapEff"], 16) == had & 1 << 10
    if had:
        assert int(after["CapBnd"], 16) & ~(1 << 10) == 0
