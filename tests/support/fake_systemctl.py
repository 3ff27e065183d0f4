"""A fake systemctl: it starts the installed units, as their users and with their environment files.

Run it inside a namespace (`tests.support.installed_machine`) as `fake_systemctl.py VERB [--now] UNIT…`. It restarts a
service as its unit says. A service ends when the process HOLDER ends. It ignores other settings, such as the sandbox of
systemd.exec(5).
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from api.installation.environment import parse_environment

UNITS = Path("/usr/lib/systemd/system")
STATE = Path("/run/units")
LOOK_S = 0.05
START_S = STOP_S = 90.0
"""The defaults of systemd."""


class Service:
    """An installed unit."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid_file, self.log, self.said = (STATE / f"{name}.{end}" for end in ("pid", "log", "state"))
        self._keys: dict[str, list[str]] = {}
        for line in (UNITS / f"{name}.service").read_text().splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                self._keys.setdefault(key, []).append(value)

    def first(self, key: str, default: str = "") -> str:
        return self._keys.get(key, [default])[0]

    def run(self) -> None:
        """Keep the service running until this process gets SIGTERM."""
        signal.signal(signal.SIGTERM, _end)
        child: subprocess.Popen[bytes] | None = None
        holder = int(os.environ["HOLDER"])
        try:
            while True:
                child = self._start()
                while child.poll() is None:
                    os.kill(holder, 0)
                    time.sleep(LOOK_S)
                self.said.write_text("failed" if child.returncode else "dead")
                if self.first("Restart") != "on-failure" or child.returncode == 0:
                    return
                time.sleep(float(self.first("RestartSec", "0.1")))
        finally:
            if child is not None and child.poll() is None:
                child.terminate()
                child.wait(STOP_S)
            self.pid_file.unlink(missing_ok=True)

    def reload(self) -> int:
        """Run the ExecReload of a running service. Return its exit code."""
        if not self.pid_file.exists():
            return 0
        runner = int(self.pid_file.read_text())
        (child,) = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        with self.log.open("ab") as log:
            return self._popen(self.first("ExecReload").replace("$MAINPID", child), log, environ).wait(START_S)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the service. Note `active` once it is ready: with Type=notify, when it sends READY=1."""
        self.said.write_text("activating")
        self._make_directories()
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for file in self._keys.get("EnvironmentFile", []):
            environ |= parse_environment(Path(file).read_text())
        with self.log.open("ab") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(f"\0{self.name}-{os.getpid()}-{time.monotonic_ns()}")
            notified.settimeout(LOOK_S)
            for command in self._keys.get("ExecStartPre", []):
                checked = self._popen(command, log, environ)
                if checked.wait(START_S) and not command.startswith("-"):
                    return checked
            is_notify = self.first("Type").startswith("notify")
            if is_notify:
                environ["NOTIFY_SOCKET"] = "@" + notified.getsockname()[1:].decode()
            child = self._popen(self.first("ExecStart"), log, environ)
            ready = not is_notify
            while not ready and child.poll() is None:
                try:
                    ready = b"READY=1" in notified.recv(4096)
                except TimeoutError:
                    continue
            if ready:
                self.said.write_text("active")
            return child

    def _popen(self, line: str, log: BinaryIO, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        program, *arguments = shlex.split(line)
        # The units name /usr/bin, but this machine has the programs elsewhere.
        found = shutil.which(Path(program).name)
        capabilities = [f"+{name.removeprefix('CAP_').lower()}" for name in self.first("AmbientCapabilities").split()]
        as_user = [
            *("setpriv", f"--reuid={self.first('User')}", f"--regid={self.first('Group')}", "--init-groups"),
            *(
                ("--inh-caps=" + ",".join(capabilities), "--ambient-caps=" + ",".join(capabilities))
                if capabilities
                else ()
            ),
            *("--bounding-set=" + ",".join(["-all", *capabilities]), "--no-new-privs", "--", str(found)),
        ]
        umask = int(self.first("UMask", "0022"), 8)
        return subprocess.Popen([*as_user, *arguments], env=environ, stdout=log, stderr=log, umask=umask)

    def _make_directories(self) -> None:
        for key, top in (("RuntimeDirectory", Path("/run")), ("StateDirectory", Path("/var/lib"))):
            if name := self.first(key):
                (top / name).mkdir(mode=int(self.first(f"{key}Mode", "0755"), 8), parents=True, exist_ok=True)
                shutil.chown(top / name, self.first("User"), self.first("Group"))


def start(services: list[Service]) -> int:
    """Start all services at once, as systemd does, then wait for each. Return the exit code."""
    waiting = [service for service in services if not service.pid_file.exists()]
    for service in waiting:
        service.said.write_text("activating")
        runner = subprocess.Popen(
            [sys.executable, __file__, "run", service.name],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=service.log.open("ab"),
        )
        service.pid_file.write_text(str(runner.pid))
    code = 0
    for service in waiting:
        until = time.monotonic() + START_S
        while (said := service.said.read_text()) in ("activating", "") and time.monotonic() < until:
            time.sleep(LOOK_S)
        if said != "active":
            print(f"Job for {service.name}.service failed.\n{service.log.read_text()}", file=sys.stderr)
            code = 1
    return code


def stop(services: list[Service]) -> int:
    for service in services:
        if service.pid_file.exists():
            os.kill(int(service.pid_file.read_text()), signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while any(service.pid_file.exists() for service in services) and time.monotonic() < until:
        time.sleep(LOOK_S)
    return int(any(service.pid_file.exists() for service in services))


def main(verb: str, *rest: str) -> int:
    STATE.mkdir(exist_ok=True)
    services = [Service(name.removesuffix(".service")) for name in rest if not name.startswith("-")]
    match verb:
        case "run":
            services[0].run()
            return 0
        case "daemon-reload":
            return 0
        case "enable" if "--now" not in rest:
            return 0
        case "enable" | "start":
            return start(services)
        case "stop" | "disable":
            return stop(services)
        case "reload":
            return max(service.reload() for service in services)
        case "restart":
            return stop(services) or start(services)
        case "reload-or-restart":
            return max(service.reload() for service in services) or start(services)
    print(f"the stand-in for systemctl has no {verb}", file=sys.stderr)
    return 2


def _end(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
