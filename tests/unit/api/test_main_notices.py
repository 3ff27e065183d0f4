"""The process: notices leave it once a mail server is named."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.mail_and_syslog import mail_server
from tests.support.ports import free_port
from tests.unit.api.conftest import authority

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


def test_a_suspension_is_told_to_the_authority_and_the_installation(tmp_path: Path) -> None:
    port = free_port()
    with mail_server() as mailbox:
        url = f"smtp://127.0.0.1:{mailbox.port}?from=dns@example.org&to=network@example.org"
        options = {"--state-dir": tmp_path, "--listen": f"127.0.0.1:{port}", "--metrics-listen": "127.0.0.1:0"}
        words = [str(word) for pair in (*options.items(), ("--notices-mail", url)) for word in pair]
        process = subprocess.Popen(
            [sys.executable, "-m", "api.main", "--create", *words],
            cwd=ROOT,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("dnsfilter-api: listening"), process.communicate(timeout=20)
            headers = {"Authorization": f"Bearer {(tmp_path / 'admin-token').read_text().strip()}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=headers) as client:
                assert client.put("/authorities/town", json=authority()).status_code == 201
                # What happened in the very second of the first start counts as past.
                time.sleep(1.1)
                body = {"authority": None, "for": "30m", "reason": "nobody can work"}
                assert client.post("/suspensions", json=body).status_code == 201
                until = time.monotonic() + 60
                while len(mailbox.received) < 2:
                    assert time.monotonic() < until, client.get("/notices").text
                    time.sleep(0.05)
                states = [item["state"] for item in client.get("/notices").json()["items"]]
        finally:
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        told = sorted(envelope.rcpt_tos for envelope in mailbox.received)
    assert told == [["ict@example.org"], ["network@example.org"]]
    assert set(states) <= {"sent", "waiting"}
