"""The process over TLS and on a Unix socket: renewed certificates, proxies, refusals."""

import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from api.cli import main as dnsfilterctl
from tests.support.certificates import Authority
from tests.support.forked_programs import run_api
from tests.support.forked_programs import start as start_fork
from tests.support.nodes import eventually

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.heavy

TAKEN = "dnsf_000000000000_" + "a" * 43


class Served:
    """A control plane of one test, and what it printed."""

    def __init__(self, state: Path, arguments: Sequence[str]) -> None:
        self.state = state
        self.log = state.with_suffix(".log")
        options = ["--create", "--state-dir", str(state), "--metrics-listen", "127.0.0.1:0"]
        self.log.touch()
        self.process = start_fork(["dnsfilter-api", *options, *arguments], self.log, ROOT)
        assert eventually(lambda: "listening on" in self.text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()

    def text(self) -> str:
        return self.log.read_text()

    def url(self) -> str:
        found = re.search(r"listening on (\S+),", self.text())
        assert found is not None
        return found.group(1)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def token(self) -> str:
        return (self.state / "admin-token").read_text().strip()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Served]]:
    with ExitStack() as stack:

        class Stopped(Served):
            def __init__(self, state: Path, arguments: Sequence[str]) -> None:
                super().__init__(state, arguments)
                stack.callback(self._end)

            def _end(self) -> None:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()

        yield Stopped


def serial_of(url: str, authority: Authority) -> int:
    """Return the serial number of the certificate of a new connection."""
    port = int(url.rpartition(":")[2])
    trusting = ssl.create_default_context(cafile=authority.ca)
    with (
        socket.create_connection(("127.0.0.1", port), 10) as made,
        trusting.wrap_socket(made, server_hostname="127.0.0.1") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_renewed_certificate_is_loaded_without_losing_a_connection(
    tmp_path: Path, start: type[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    authority, files = Authority(tmp_path / "ca"), (tmp_path / "cert.pem", tmp_path / "key.pem")
    first = authority.issue(*files)
    files[1].chmod(0o644)
    options = ["--listen", "127.0.0.1:0", "--tls-certificate", str(files[0]), "--tls-key", str(files[1])]
    served = start(tmp_path / "state", options)
    url = served.url()
    assert url.startswith("https://127.0.0.1:")
    assert "the key's file is open to others (mode 0644)" in served.text()
    trusting = ssl.create_default_context(cafile=authority.ca)
    with httpx.Client(base_url=url, verify=trusting) as client:
        assert client.get("/readyz").json()["ready"] is True
        assert serial_of(url, authority) == first
        second = authority.issue(*files)
        served.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: serial_of(url, authority) == second)
        # An interrupted renewal leaves such a file.
        files[1].write_text("nothing")
        served.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "the old one stays" in served.text())
        assert serial_of(url, authority) == second
        third = authority.issue(*files)
        assert eventually(lambda: serial_of(url, authority) == third)
        # The connection from the beginning.
        assert client.get("/readyz").json()["ready"] is True
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz")
    common = ["--api", url, "--token-file", str(served.state / "admin-token")]
    assert dnsfilterctl([*common, "--ca", str(authority.ca), "ban", "list"]) == 0
    assert "unencrypted" not in capsys.readouterr().err
    other = Authority(tmp_path / "other")
    assert dnsfilterctl([*common, "--ca", str(other.ca), "ban", "list"]) == 4
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err
    assert dnsfilterctl([*common, "ban", "list"]) == 4
    assert dnsfilterctl([*common, "--ca", str(tmp_path / "none"), "ban", "list"]) == 2
    assert served.stop() == 0
    assert "Traceback" not in served.text()


def test_behind_a_unix_socket_failures_have_the_address_that_the_proxy_wrote(
    tmp_path: Path, start: type[Served], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    served = start(tmp_path / "state", ["--listen", f"unix:{path}"])
    assert served.url() == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with httpx.Client(base_url="http://localhost", transport=httpx.HTTPTransport(uds=str(path))) as client:
        for hops in ("192.0.2.1, 198.51.100.7", "192.0.2.1", "unknown", "2001:db8::1"):
            headers = {"Authorization": f"Bearer {TAKEN}", "X-Forwarded-For": hops}
            assert client.get("/v1/bans", headers=headers).status_code == 401
        failures = client.get(
            "/v1/authentication-failures", headers={"Authorization": f"Bearer {served.token()}"}
        ).json()["items"]
    assert sorted(item["address"] for item in failures) == ["192.0.2.1", "198.51.100.7", "2001:db8::1", "local"]
    common = ["--api", f"unix:{path}", "--token-file", str(served.state / "admin-token")]
    assert dnsfilterctl([*common, "ban", "list"]) == 0
    assert "unencrypted" not in capsys.readouterr().err
    assert served.stop() == 0
    assert not path.exists()
    # In another process: httpcore leaves the socket of such a failure to the garbage collector.
    command = [sys.executable, "-m", "api.cli", *common, "ban", "list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert f"unix:{path} is not reachable" in done.stderr


def test_on_a_port_forwarding_headers_are_ignored(tmp_path: Path, start: type[Served]) -> None:
    served = start(tmp_path / "state", ["--listen", "127.0.0.1:0"])
    headers = {"Authorization": f"Bearer {TAKEN}", "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    with httpx.Client(base_url=served.url()) as client:
        assert client.get("/v1/bans", headers=headers).status_code == 401
        failures = client.get(
            "/v1/authentication-failures", headers={"Authorization": f"Bearer {served.token()}"}
        ).json()["items"]
    assert [item["address"] for item in failures] == ["127.0.0.1"]
    # SIGHUP has nothing to reload, and does not end the process.
    served.process.send_signal(signal.SIGHUP)
    assert httpx.get(f"{served.url()}/healthz").status_code == 200
    assert served.stop() == 0


@pytest.mark.parametrize("kind", ["listening", "a file"])
def test_a_unix_socket_in_use_is_not_removed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as other:
        if kind == "listening":
            other.bind(str(path))
            other.listen()
        else:
            path.write_text("a file")
        before = path.lstat().st_ino
        options = ["--create", "--state-dir", str(tmp_path), "--listen", f"unix:{path}"]
        code, _, err = run_api(options)
        assert code == 1
        assert err.splitlines()[-1].startswith(f"dnsfilter-api: cannot listen on unix:{path}: Address already in use")
        assert path.lstat().st_ino == before
    assert os.path.lexists(path)
