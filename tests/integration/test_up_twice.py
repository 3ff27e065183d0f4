"""`dnsfilter up`: a second start names what is in use, and a killed one leaves no process running."""

import subprocess
from pathlib import Path

from tests.support.nodes import SingleMachine, eventually, status_of


def refused(up: SingleMachine) -> str:
    """Run a start that ends at once with exit code 2. Return what it prints."""
    ended = subprocess.run(up.command(), cwd=up.directory, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    return ended.stderr


def test_second_start_is_refused_and_a_kill_leaves_no_process(fresh_machine: SingleMachine, tmp_path: Path) -> None:
    said = refused(fresh_machine)
    for argument in ("--state-dir", "--listen", "--metrics-listen", "--api-listen", "--api-metrics-listen"):
        assert f"{argument}: " in said
    elsewhere = SingleMachine(fresh_machine.directory, "127.0.0.1:9")
    assert refused(elsewhere).startswith("--state-dir: another `dnsfilter up` uses .run")
    assert fresh_machine.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"

    parts = [fresh_machine.child(name) for name in ("dnsfilter serve", "dnsfilter-api")]
    assert fresh_machine.process is not None
    fresh_machine.process.kill()
    fresh_machine.process.wait()
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in parts))
    assert status_of(f"{fresh_machine.api_url}/healthz") is None
    fresh_machine.start()
