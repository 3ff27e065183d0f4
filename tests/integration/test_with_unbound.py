"""Unbound as the upstream of a node: its configuration in deploy/unbound, and scripts/with-unbound for `make run`."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.support.components import PROJECT, component
from tests.support.nodes import eventually

ASK = """
import dns.message, dns.query, sys
answer = dns.query.udp(dns.message.make_query("localhost.", "A"), "127.0.0.1", 5, 5335)
print(answer.answer[0][0])
sys.exit(7)
"""


def test_a_command_runs_while_unbound_answers_and_unbound_ends_with_it(tmp_path: Path) -> None:
    component("unbound")
    script = PROJECT / "scripts/with-unbound"
    ran = subprocess.run([script, tmp_path, sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (7, "127.0.0.1"), ran.stderr + (tmp_path / "unbound/log").read_text()
    assert eventually(lambda: not _is_open("127.0.0.1", 5335)), "Unbound still runs"


def _is_open(address: str, port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((address, port)) == 0


def test_without_a_command_the_script_shows_its_usage() -> None:
    ran = subprocess.run([PROJECT / "scripts/with-unbound"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "usage: scripts/with-unbound DIRECTORY COMMAND" in ran.stderr
