"""The process starts, answers and stops, or prints in one line why it does not start."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.control_planes import serving
from tests.support.forked_programs import run_api, start
from tests.support.nodes import eventually
from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.heavy


def _start(arguments: Sequence[str], **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api.main", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _status_of_long_header(port: int) -> int | None:
    """Return the status for a header of a megabyte, or None if the connection was closed while sending."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", headers={"X-Long": "a" * 1_000_000}).status_code
    except httpx.TransportError:
        return None


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_it_starts_answers_and_stops_cleanly(tmp_path: Path) -> None:
    api, metrics, state = free_port(), free_port(), tmp_path / "state"
    process = _start(
        ["--create", "--state-dir", str(state), "--listen", f"127.0.0.1:{api}"],
        DNSFILTER_API_METRICS_LISTEN=f"127.0.0.1:{metrics}",
        NOTIFY_SOCKET="/nowhere/notify",  # A service manager that is gone prevents nothing.
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith(f"dnsfilter-api: listening on http://127.0.0.1:{api}, metrics on")
        assert httpx.get(f"http://127.0.0.1:{api}/readyz").json()["ready"] is True
        token = (state / "admin-token").read_text().strip()
        answer = httpx.get(f"http://127.0.0.1:{api}/v1/services/tiktok", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["slug"] == "tiktok"
        assert "dnsfilter_api_build_info" in httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert _status_of_long_header(api) in (None, 400, 431)
        assert httpx.get(f"http://127.0.0.1:{api}/healthz").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert token not in err
    lines = [line for line in err.splitlines() if line]
    assert all(re.match(r"time=\S+Z level=[a-z]+ logger=[\w.]+ event=", line) for line in lines)
    assert any('event="first start"' in line and str(state / "admin-token") in line for line in lines)
    assert any(re.search(r'event="snapshot published" revision=\d+ ms=[\d.]+$', line) for line in lines)
    assert any(line.endswith("event=stopping signal=SIGTERM") for line in lines)
    assert (state / "snapshots" / "current").exists()


@pytest.mark.parametrize("option", ["--listen", "--metrics-listen"])
def test_a_busy_port_is_one_clear_line(tmp_path: Path, taken: int, option: str) -> None:
    options = {"--listen": "127.0.0.1:0", "--metrics-listen": "127.0.0.1:0", option: f"127.0.0.1:{taken}"}
    arguments = [word for pair in options.items() for word in pair]
    code, out, err = run_api(["--create", "--state-dir", str(tmp_path / "state"), *arguments])
    assert (code, out) == (1, "")
    lines = [line for line in err.splitlines() if line.startswith("dnsfilter-api: ")]
    assert lines == [
        f"dnsfilter-api: cannot listen on 127.0.0.1:{taken}: Address already in use; "
        f"stop what uses it, or choose another with {option}"
    ]
    assert "Traceback" not in err


def test_wrong_settings_are_all_reported_and_exit_2() -> None:
    code, out, err = run_api(["--listen", "nowhere", "--init-policy", "/none"], DNSFILTER_API_COLOUR="red")
    assert (code, out) == (2, "")
    locations = [line.split(": ")[1] for line in err.splitlines()]
    assert locations == ["DNSFILTER_API_COLOUR", "--listen", "--init-policy"]


def test_a_faulty_init_policy_exits_2_with_every_problem(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[authority]]\nslug = "town"\n')
    arguments = ["--create", "--state-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    code, _, err = run_api([*arguments, "--init-policy", str(policy)])
    assert code == 2
    assert err.count("dnsfilter-api: ") > 1
    assert "Traceback" not in err


def test_a_database_of_a_newer_version_is_refused_with_the_commands_that_help(tmp_path: Path) -> None:
    assert run_api(["init", "--state-dir", str(tmp_path)])[0] == 0
    with closing(sqlite3.connect(tmp_path / "dnsfilter.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
        connection.commit()
    code, out, err = run_api(["new-token", "--state-dir", str(tmp_path)])
    assert (code, out) == (1, "")
    first, _, last = err.splitlines()
    assert first.startswith("dnsfilter-api: the database is of another version of dnsfilter-api")
    assert f"{tmp_path}/dnsfilter.sqlite3*" in last
    assert last.endswith("dnsfilterctl restore FILE")


def test_openapi_prints_the_description() -> None:
    code, out, _ = run_api(["openapi"])
    assert code == 0
    assert "/v1/authorities/{slug}/bans/{service}" in json.loads(out)["paths"]


def test_a_new_token_replaces_the_old(tmp_path: Path) -> None:
    tokens = []
    for command in ("init", "new-token"):
        code, out, err = run_api([command, "--state-dir", str(tmp_path)])
        assert code == 0, err
        tokens.append((tmp_path / "admin-token").read_text().strip())
        assert tokens[-1] not in out + err
    assert tokens[0] != tokens[1]
    assert "; revoked 1 token of 1 account: dnsfilterctl audit list" in out


def test_with_keep_the_old_token_stays_valid(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path))
    assert run_api(["init", *state])[0] == 0
    code, out, err = run_api(["new-token", "--keep", *state])
    assert (code, out.endswith("/admin-token; the other tokens stay valid\n")) == (0, True), err
    code, _, err = run_api(["--keep", *state])
    assert (code, "--keep goes with new-token only: dnsfilter-api new-token --keep" in err) == (2, True)


QUIETLY = ("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")


def test_a_start_without_its_database_makes_nothing_and_prints_the_command(tmp_path: Path) -> None:
    state, wrong = tmp_path / "state", f"sqlite:///{tmp_path}/typo.sqlite3"
    code, out, err = run_api(["--state-dir", str(state), *QUIETLY])
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].endswith(f"type: dnsfilter-api init --state-dir {state}")
    assert not state.exists()
    assert run_api(["init", "--state-dir", str(state)])[0] == 0
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    for command in ([], ["--create"]):
        code, out, err = run_api([*command, "--state-dir", str(state), "--database", wrong, *QUIETLY])
        assert (code, out) == (2, "")
        assert "files of an installation do" in err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before
    assert list(tmp_path.iterdir()) == [state]


def test_a_start_without_a_key_makes_none_and_prints_the_command(tmp_path: Path) -> None:
    assert run_api(["init", "--state-dir", str(tmp_path)])[0] == 0
    for key in ("checkpoint-key", "snapshot-key", "token-key"):
        (tmp_path / key).unlink()
        code, out, err = run_api(["--state-dir", str(tmp_path), *QUIETLY])
        assert (code, out) == (1, "")
        assert f"{key} does not exist" in err.splitlines()[-1]
        assert f"dnsfilter-api new-keys --state-dir {tmp_path} makes another" in err.splitlines()[-1]
        assert not (tmp_path / key).exists()


def test_a_second_process_on_the_same_database_is_refused(tmp_path: Path) -> None:
    arguments = ["--create", "--state-dir", str(tmp_path), *QUIETLY]
    log = tmp_path.with_suffix(".log")
    log.touch()
    process = start(["dnsfilter-api", *arguments], log, ROOT)
    try:
        assert eventually(lambda: "dnsfilter-api: listening" in log.read_text())
        code, out, err = run_api(arguments)
        assert (code, out) == (1, "")
        assert f"process {process.pid} uses the database {tmp_path}/dnsfilter.sqlite3" in err.splitlines()[-1]
    finally:
        process.kill()
        process.wait(20)
    # The kernel has released the lock with the process.
    assert run_api(["new-keys", "--state-dir", str(tmp_path)])[0] == 0


def test_a_damaged_database_can_be_read_but_accepts_no_act(tmp_path: Path) -> None:
    api, metrics, state = free_port(), free_port(), tmp_path / "state"
    assert run_api(["init", "--state-dir", str(state)])[0] == 0
    with closing(sqlite3.connect(state / "dnsfilter.sqlite3")) as connection:
        connection.execute("DROP TRIGGER audit_update")
        connection.execute("UPDATE audit SET act = 'altered' WHERE act = 'token.key'")
        connection.commit()
    code, _, err = run_api(["new-token", "--state-dir", str(state)])
    assert (code, "the database is damaged" in err) == (1, True)
    assert run_api(["new-token", "--state-dir", str(state), "--accept-damage"])[0] == 0
    listen = ["--listen", f"127.0.0.1:{api}", "--metrics-listen", f"127.0.0.1:{metrics}"]
    log = tmp_path / "log"
    with serving(["--state-dir", str(state), *listen], log):
        url, token = f"http://127.0.0.1:{api}", (state / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        assert "dnsfilter_api_database_damaged 1" in httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert httpx.get(f"{url}/v1/sites", headers=headers).status_code == 200
        assert httpx.put(f"{url}/v1/sites/depot", json={"name": ""}, headers=headers).status_code == 503
        assert "does not follow entry" in httpx.get(f"{url}/readyz").json()["reason"]
        state.rename(tmp_path / "away")
        assert f"{state} was removed or replaced" in httpx.get(f"{url}/readyz").json()["reason"]
    assert log.read_text().count('event="the database is damaged, no act is accepted"') == 1
