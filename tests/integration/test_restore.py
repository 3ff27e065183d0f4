"""A restored backup brings back policy, accounts, tokens, audit log and answers after the state directory is lost."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pyrage.x25519 import Identity

from tests.integration.test_control_plane import Administrator
from tests.integration.test_example_policy import ANSWERED, REFUSED
from tests.support.knot import Knot
from tests.support.nodes import SingleMachine, eventually, program

pytestmark = pytest.mark.slow

EXEMPTED = "127.0.5.10"
"""A client in Ghent's offices, which an exemption frees during the test."""


def table(machine: SingleMachine) -> dict[str, tuple[str, list[int]]]:
    """Return the answer to each client of the example."""
    answers = {client: machine.dig("www.tiktok.com", bind=client) for client in (*REFUSED, *ANSWERED)}
    return {client: (answer.rcode, [error.code for error in answer.ede]) for client, answer in answers.items()}


def done(machine: SingleMachine, *arguments: str) -> str:
    """Run a command that must succeed. Return its output."""
    found = machine.ctl(*arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


def exempt(machine: SingleMachine) -> dict[str, str]:
    """Get an exemption requested by an operator and approved. Return an operator's and an approver's token.

    Together with the policy's exemption in set hours it covers all of Ghent. An approver may therefore not decide it.
    """
    administrator = Administrator(machine)
    tokens = {role: administrator.token_of(f"ghent-{role}", role, "ghent") for role in ("operator", "approver")}
    operator = Administrator(machine, tokens["operator"])
    asked = {"ban": "ghent/tiktok", "ranges": ["127.0.5.0/24"], "for": "30 days", "reason": "a campaign of the city"}
    number = operator("POST", "/v1/exemptions", asked)["number"]
    administrator("POST", f"/v1/exemptions/{number}/approve", {"note": "as the college asked"})
    for client in (administrator, operator):
        client.close()
    return tokens


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a directory for files that must outlive the machine."""
    kept = tmp_path / "outside"
    kept.mkdir()
    return kept


def test_what_was_backed_up_is_answered_and_proven_after_everything_is_gone(
    tmp_path: Path, outside: Path, authority: Knot
) -> None:
    identity = Identity.generate()
    backup, token, key = (str(outside / name) for name in ("all.backup", "token", "key.txt"))
    held, record, archive = (outside / name for name in ("held.jsonl", "record.jsonl", "archive.zip"))
    Path(key).write_text(str(identity))
    machine = SingleMachine(tmp_path / "machine", authority.hostport)
    with machine:
        tokens = exempt(machine)
        shutil.copy(machine.state / "admin-token", token)
        held.write_text(done(machine, "audit", "checkpoint", "--held"))
        before = table(machine)
        done(machine, "backup", backup, "--recipient", str(identity.to_public()))
        extra = machine.ctl("restore", backup, "--state-dir", ".run", "--identity", key)
        assert (extra.returncode, "already exists" in extra.stderr) == (2, True)
        # Changes after the backup are lost with the machine.
        done(machine, "ban", "set", "ghent", "tiktok", "--mode", "off")
    assert before[EXEMPTED] == ("NOERROR", [])
    assert {client: before[client] for client in REFUSED if client != EXEMPTED} == {
        client: ("REFUSED", [code]) for client, code in REFUSED.items() if client != EXEMPTED
    }
    shutil.rmtree(machine.state)

    restored = done(machine, "restore", backup, "--state-dir", ".run", "--identity", key)
    assert "restored: installation " in restored
    assert not (machine.state / "admin-token").exists()
    # A backup does not contain the signing keys.
    command = [program("dnsfilter-api"), "new-keys", "--state-dir", str(machine.state)]
    subprocess.run(command, check=True)
    with machine:
        assert table(machine) == before
        assert done(machine, "ban", "show", "ghent", "tiktok", "--token-file", token)
        for role, text in tokens.items():
            client = Administrator(machine, text)
            assert client("GET", "/v1/self")["account"]["login"] == f"ghent-{role}"
            client.close()
        record.write_text(done(machine, "audit", "export", "--token-file", token))
        verified = machine.ctl("audit", "verify", str(record), "--checkpoint", str(held))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert done(machine, "audit", "list", "--act", "installation.restore", "--token-file", token)
        done(machine, "policy", "export", "--archive", str(archive), "--token-file", token)
        # Acts continue from this state.
        assert before["127.0.7.10"][0] == "REFUSED"
        done(machine, "ban", "set", "mechelen", "tiktok", "--mode", "off", "--token-file", token)
        assert eventually(lambda: machine.dig("www.tiktok.com", bind="127.0.7.10").rcode == "NOERROR")
