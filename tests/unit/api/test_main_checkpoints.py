"""The process makes checkpoints when it starts and stops, with a separate key."""

from pathlib import Path

import httpx
import pytest

from api.audit.export import export
from api.chain.checkpoint import Checkpoint, parse_checkpoint
from api.chain.verification import verify
from api.db.session import Database
from tests.support.control_planes import serving
from tests.support.forked_programs import run_api
from tests.support.ports import free_port
from tests.unit.api.conftest import authority

pytestmark = pytest.mark.heavy


def _run(state: Path, held: Path, *, act: str) -> str:
    """Start, do an act, and stop. Return the log."""
    port = free_port()
    options = {"--state-dir": state, "--listen": f"127.0.0.1:{port}", "--metrics-listen": "127.0.0.1:0"}
    words = [str(word) for pair in (*options.items(), ("--checkpoint-file", held)) for word in pair]
    log = state.with_suffix(".log")
    log.unlink(missing_ok=True)
    with serving(["--create", *words], log):
        headers = {"Authorization": f"Bearer {(state / 'admin-token').read_text().strip()}"}
        url = f"http://127.0.0.1:{port}/v1/authorities/{act}"
        assert httpx.put(url, json=authority(), headers=headers).status_code == 201
    return log.read_text()


def _held(path: Path) -> list[Checkpoint]:
    return [parse_checkpoint(line) for line in path.read_bytes().splitlines()]


def test_stopping_sends_a_checkpoint_of_the_last_entry(tmp_path: Path) -> None:
    state, held = tmp_path / "state", tmp_path / "held"
    logs = [_run(state, held, act=name) for name in ("one", "two")]
    database = Database(f"sqlite:///{state / 'dnsfilter.sqlite3'}")
    lines = b"".join(export(database, 0)).splitlines(keepends=True)
    database.close()
    report = verify(lines, _held(held))
    assert report.sound
    assert report.uncovered == 0
    assert len({checkpoint.key for checkpoint in _held(held)}) == 1
    key = (state / "checkpoint-key").read_text().splitlines()[1]
    assert key not in "".join(logs)


@pytest.mark.parametrize(("option", "what"), [("--checkpoint-key", "checkpoint"), ("--snapshot-key", "snapshot")])
@pytest.mark.parametrize("content", ["", "no key"])
def test_an_invalid_key_is_one_clear_line(tmp_path: Path, content: str, option: str, what: str) -> None:
    state, key = tmp_path / "state", tmp_path / "key"
    assert run_api(["init", "--state-dir", str(state)])[0] == 0
    key.touch(0o600)
    key.write_text(content)
    options = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", option, str(key)]
    code, out, err = run_api(["--state-dir", str(state), *options])
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        f"dnsfilter-api: cannot use the {what} key: {key} does not hold a PEM private key without a password"
    )
