"""A trace reports the same answer as an earlier dig, also after the control plane was killed."""

import json
import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

from tests.support.nodes import SingleMachine, eventually, status_of

CLIENT, NAME = "127.0.5.10", "www.tiktok.com"


def _next_second() -> None:
    """Wait for the next second, because publications are dated in seconds."""
    now = time.time()
    time.sleep(int(now) + 1 - now)


def _asked(machine: SingleMachine) -> tuple[str, str]:
    """Return the time and the answer of a question, in a second without a publication."""
    _next_second()
    at = datetime.fromtimestamp(int(time.time()), UTC).isoformat()
    rcode = machine.dig(NAME, bind=CLIENT).rcode
    _next_second()
    return at, rcode


def _set(machine: SingleMachine, mode: str) -> None:
    done = machine.ctl("ban", "set", "ghent", "tiktok", "--mode", mode)
    assert done.returncode == 0, done.stderr


def _trace(machine: SingleMachine, at: str) -> Any:
    done = machine.ctl("trace", CLIENT, NAME, "--at", at, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_trace_says_what_dig_was_answered(fresh_machine: SingleMachine) -> None:
    machine = fresh_machine
    asked = [_asked(machine)]
    for mode in ("off", "enforce"):
        _set(machine, mode)
        asked.append(_asked(machine))
    _set(machine, "monitor")
    # The control plane is killed right after its answer. The last entry into force may not be stored yet.
    os.kill(machine.child("dnsfilter-api"), signal.SIGKILL)
    assert eventually(lambda: status_of(f"{machine.api_url}/healthz") is None)
    asked.append(_asked(machine))
    machine.stop()
    machine.start()
    asked.append(_asked(machine))
    reported = [_trace(machine, at) for at, _ in asked]
    assert [one["decision"]["rcode"] for one in reported] == [rcode for _, rcode in asked]
    assert [rcode for _, rcode in asked] == ["REFUSED", "NOERROR", "REFUSED", "NOERROR", "NOERROR"]
    assert [one["decision"]["verdict"] for one in reported] == ["refuse", "pass", "refuse", "monitor", "monitor"]
    assert [one["revision"] for one in reported] == [1, 2, 3, 4, 4]
    files = {path.name for path in (machine.state / "snapshots").iterdir()}
    for one in reported:
        assert f"{one['publication']['rules']}.rules" in files
        assert f"{one['publication']['names']}.names" in files
        assert one["lists"][0]["since"]["number"] == 1
