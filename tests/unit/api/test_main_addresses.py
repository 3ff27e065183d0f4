"""The process on several addresses: a real socket for each, with the same rules."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from api.server.bodies import MAX_BYTES
from tests.support.certificates import Authority
from tests.support.forked_programs import Forked, run_api
from tests.support.forked_programs import start as start_fork
from tests.support.namespaces import Namespace
from tests.support.nodes import eventually

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.heavy
LAN = "192.0.2.2"


def _started(arguments: Sequence[str], log: Path, space: Namespace | None) -> subprocess.Popen[bytes] | Forked:
    if space is None:
        return start_fork(["dnsfilter-api", *arguments], log, ROOT)
    with log.open("ab") as file:
        command = space.command(sys.executable, "-m", "api.main", *arguments)
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)


@contextmanager
def serving(state: Path, options: Sequence[str], space: Namespace | None = None) -> Iterator[list[str]]:
    """Run a control plane and yield the URLs that it prints."""
    own = ["--create", "--state-dir", str(state), "--metrics-listen", "127.0.0.1:0"]
    log = state.with_suffix(".log")
    log.touch()
    process = _started([*own, *options], log, space)
    try:
        assert eventually(lambda: "listening on" in log.read_text() or process.poll() is not None)
        found = re.search(r"listening on (.+), metrics", log.read_text())
        assert found is not None, log.read_text()
        yield found.group(1).split(" and ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_each_address_has_a_socket_with_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    options = ["--listen", f"127.0.0.1:0,127.0.0.2:0,unix:{path}", "--listen", "[::1]:0"]
    with serving(tmp_path / "state", options) as urls:
        assert [url.rpartition(":")[0] for url in urls] == [
            "http://127.0.0.1",
            "http://127.0.0.2",
            "unix",
            "http://[::1]",
        ]
        known = {"Authorization": f"Bearer {(tmp_path / 'state' / 'admin-token').read_text().strip()}"}
        for url in urls:
            is_unix = url.startswith("unix:")
            transport = httpx.HTTPTransport(uds=str(path)) if is_unix else None
            with httpx.Client(base_url="http://localhost" if is_unix else url, transport=transport) as client:
                assert client.get("/readyz").json()["ready"] is True
                assert client.post("/v1/accounts", content=b"x" * (MAX_BYTES + 1), headers=known).status_code == 413
                wrong = {"Authorization": "Bearer dnsf_unknown", "X-Forwarded-For": "192.0.2.77"}
                assert client.get("/v1/bans", headers=wrong).status_code == 401
        asked = httpx.get(f"{urls[0]}/v1/authentication-failures", headers=known)
        addresses = [item["address"] for item in asked.json()["items"]]
        # Forwarding headers count only on the Unix socket.
        assert sorted(addresses) == ["127.0.0.1", "127.0.0.1", "192.0.2.77", "::1"]
    assert not os.path.lexists(path)


def test_each_address_that_is_in_use_is_named(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as one, closing(socket.create_server(("127.0.0.2", 0))) as two:
        busy = [":".join(map(str, each.getsockname())) for each in (one, two)]
        own = ["--create", "--state-dir", str(tmp_path), "--metrics-listen", "127.0.0.1:0"]
        code, _, err = run_api([*own, "--listen", f"{busy[0]},127.0.0.3:0,{busy[1]}"])
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("dnsfilter-api: ")]
    assert [line.partition(";")[0] for line in lines] == [
        f"dnsfilter-api: cannot listen on {address}: Address already in use" for address in busy
    ]


def test_local_commands_work_without_options_if_the_network_has_tls(tmp_path: Path) -> None:
    authority, files = Authority(tmp_path / "ca"), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files, address=LAN)
    tls = ["--tls-certificate", str(files[0]), "--tls-key", str(files[1])]
    state = tmp_path / "state"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DNSFILTER_")}
    with Namespace() as space:
        space.add_device("eth0", f"{LAN}/24")
        with serving(state, ["--listen", f"127.0.0.1:8080,{LAN}:8080", *tls], space) as urls:
            assert urls == ["http://127.0.0.1:8080", f"https://{LAN}:8080"]
            ctl = [sys.executable, "-m", "api.cli", "--token-file", str(state / "admin-token")]
            over_tls = ("--api", f"https://{LAN}:8080", "--ca", str(authority.ca))
            for command in (("status",), ("ban", "list"), (*over_tls, "ban", "list")):
                done = space.run(*ctl, *command, env=environ)
                assert done.returncode == 0, done.stderr
            assert space.run(*ctl, "--api", f"http://{LAN}:8080", "ban", "list", env=environ).returncode == 4
