"""The process sends notices if a mail server is set."""

import time
from pathlib import Path

import httpx
import pytest

from tests.support.control_planes import serving
from tests.support.mail_and_syslog import mail_server
from tests.support.ports import free_port
from tests.unit.api.conftest import authority

pytestmark = pytest.mark.heavy


def test_a_suspension_is_mailed_to_the_authority_and_the_installation(tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "state"
    with mail_server() as mailbox:
        url = f"smtp://127.0.0.1:{mailbox.port}?from=dns@example.org&to=network@example.org"
        options = {"--state-dir": state, "--listen": f"127.0.0.1:{port}", "--metrics-listen": "127.0.0.1:0"}
        words = [str(word) for pair in (*options.items(), ("--notices-mail", url)) for word in pair]
        with serving(["--create", *words], tmp_path / "log"):
            headers = {"Authorization": f"Bearer {(state / 'admin-token').read_text().strip()}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=headers) as client:
                assert client.put("/authorities/town", json=authority()).status_code == 201
                # Events in the second of the first start count as past.
                time.sleep(1.1)
                body = {"authority": None, "for": "30m", "reason": "nobody can work"}
                assert client.post("/suspensions", json=body).status_code == 201
                until = time.monotonic() + 60
                while len(mailbox.received) < 2:
                    assert time.monotonic() < until, client.get("/notices").text
                    time.sleep(0.05)
                states = [item["state"] for item in client.get("/notices").json()["items"]]
        recipients = sorted(envelope.rcpt_tos for envelope in mailbox.received)
    assert recipients == [["ict@example.org"], ["network@example.org"]]
    assert set(states) <= {"sent", "waiting"}
