"""A real authoritative server (Knot DNS) on loopback, for genuine answers."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import dns.exception
import dns.message
import dns.query

from tests.support.components import component, end
from tests.support.ports import free_port

START_S = 60.0
PROBE_S = 0.1

CONFIG = """\
server:
    listen: {address}@{port}
    rundir: {directory}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 4096
database:
    storage: {directory}/db
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: {directory}
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
policy:
  - id: nsec
    algorithm: ecdsap256sha256
    single-type-signing: on
  - id: nsec3
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: on
    nsec3-salt-length: 8
acl:
  - id: everybody
    action: update
zone:
"""

KEY_NAME = "office-key"
UPDATES = """\
key:
  - id: {name}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: updates
    key: {name}
    action: update
"""

Denial: TypeAlias = Literal["nsec", "nsec3"]
"""How a signed zone proves that a name or type does not exist."""


class Knot:
    """Knot DNS: `with Knot(zones) as server:` serves {zone name: zone text} over UDP and TCP.

    `update_key` is the secret of a TSIG key KEY_NAME. With it, the zones take signed dynamic updates. With `updated`,
    everybody may send dynamic updates.

    It listens at server.address, server.port. Zones named in `signed` are signed with keys made at the start. It
    follows no CNAME across zones, like the authority of a single zone. `stop()` and `start()` simulate an outage within
    the block, and the port stays the same. The address may be any of 127/8, or ::1.
    """

    def __init__(
        self,
        zones: Mapping[str, str],
        *,
        signed: Mapping[str, Denial] | None = None,
        updated: bool = False,
        address: str = "127.0.0.1",
        port: int | None = None,
        update_key: str | None = None,
    ) -> None:
        self.address = address
        self.port = free_port(address) if port is None else port
        self._zones = dict(zones)
        self._signed = dict(signed or {})
        self._updated = updated
        self._update_key = update_key
        self._program = component("knotd")
        self._directory = Path(tempfile.mkdtemp(prefix="knot-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def hostport(self) -> str:
        """Return the address as configuration files and command lines write it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def __enter__(self) -> Self:
        try:
            self._write()
            self.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def start(self) -> None:
        """Start the daemon and wait until every zone answers.

        Raise RuntimeError with its log if a zone does not answer.
        """
        with self._log().open("wb") as log:
            command = [str(self._program.path), "-c", str(self._directory / "knot.conf")]
            self._process = subprocess.Popen(command, env=self._program.env, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        for zone in self._zones:
            while not self._answers(zone):
                log_text = self._log().read_text()
                if "error:" in log_text or self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"start knotd for {zone} at {self.hostport}: {log_text}")
                time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The process id of the running daemon."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop the daemon if it runs, and wait until it has ended."""
        if self._process is None:
            return
        end(self._process)
        self._process = None

    def _close(self) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def _log(self) -> Path:
        return self._directory / "log"

    def _write(self) -> None:
        (self._directory / "db").mkdir()
        config = CONFIG.format(address=self.address, port=self.port, directory=self._directory)
        if self._update_key is not None:
            config = UPDATES.format(name=KEY_NAME, secret=self._update_key) + config
        for number, (zone, text) in enumerate(self._zones.items()):
            (self._directory / f"{number}.zone").write_text(text)
            config += f"  - domain: {zone}\n    file: {number}.zone\n"
            if self._updated:
                config += "    acl: everybody\n"
            if zone in self._signed:
                config += f"    dnssec-signing: on\n    dnssec-policy: {self._signed[zone]}\n"
            if self._update_key is not None:
                config += "    acl: updates\n"
        (self._directory / "knot.conf").write_text(config)

    def _answers(self, zone: str) -> bool:
        query = dns.message.make_query(zone, "SOA")
        try:
            reply = dns.query.udp(query, self.address, timeout=PROBE_S, port=self.port)
        except (dns.exception.DNSException, ConnectionError, socket.gaierror):
            return False
        return bool(reply.answer)
