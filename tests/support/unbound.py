"""Debian's Unbound as a forwarder on loopback: a second opinion on what a client should get."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.exception
import dns.message
import dns.query

from tests.support.components import component, end
from tests.support.ports import free_port

START_S = 60.0
PROBE_S = 0.2

# It validates nothing and asks only its upstream. It must not follow referrals to other servers.
CONFIG = """\
server:
    interface: 127.0.0.1
    port: {port}
    directory: "{directory}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    verbosity: 1
    num-threads: 1
    module-config: "iterator"
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    do-not-query-address: 192.0.2.0/24
    do-ip6: no
    qname-minimisation: no
    minimal-responses: no
    rrset-roundrobin: no
    edns-buffer-size: 1232
    max-udp-size: 1232
    incoming-num-tcp: 64
    so-rcvbuf: 0
{extra}
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {upstream}
"""


class Unbound:
    """Unbound: `with Unbound("127.0.0.1:5300") as server:` forwards all questions to that upstream.

    It listens at server.address, server.port. `extra` are further lines of its `server:` clause.
    """

    def __init__(self, upstream: str, *, extra: str = "") -> None:
        self.address = "127.0.0.1"
        self.port = free_port()
        self._upstream = upstream
        self._extra = extra
        self._program = component("unbound")
        self._directory = Path(tempfile.mkdtemp(prefix="unbound-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def hostport(self) -> str:
        """Return the address as configuration files write it."""
        return f"{self.address}:{self.port}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def stop(self) -> None:
        """End the server. `start` begins it again, at the same addresses."""
        assert self._process is not None
        end(self._process)

    def start(self) -> None:
        """Begin again after `stop`."""
        self._start()

    def log(self) -> str:
        """Return the log so far."""
        return (self._directory / "log").read_text()

    def _start(self) -> None:
        upstream = "@".join(self._upstream.rsplit(":", 1))
        config = CONFIG.format(port=self.port, directory=self._directory, upstream=upstream, extra=self._extra)
        path = self._directory / "unbound.conf"
        path.write_text(config)
        with (self._directory / "log").open("wb") as log:
            command = [str(self._program.path), "-d", "-c", str(path)]
            self._process = subprocess.Popen(command, env=self._program.env, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"start unbound at {self.hostport}: {self.log()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        query = dns.message.make_query("localhost.", "A")
        try:
            dns.query.udp(query, self.address, timeout=PROBE_S, port=self.port)
        except (dns.exception.DNSException, ConnectionError):
            return False
        return True

    def _close(self) -> None:
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self._directory)
