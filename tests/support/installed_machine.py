"""This machine as the guide installs it, with the units' users: private mounts and a private network."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import fake_systemctl
from tests.support.components import component, impossible
from tests.support.dig import DigResult, dig
from tests.support.documents import blocks
from tests.support.namespaces import Namespace, tool
from tests.support.nodes import ROOT, program

ROOM = "/mnt"
"""A directory that each machine has. A file system in memory is mounted there."""
BIN = f"{ROOM}/bin"
REPLACED = ("/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/lib/sysctl.d", "/usr/lib/systemd/system", "/var/lib")
PROGRAMS = ("dnsfilter", "dnsfilter-api", "dnsfilterctl")


class RootNamespace(Namespace):
    """A namespace with the machine's root, so that files in it can belong to any user. Only root can make one."""

    def command(self, *arguments: str) -> list[str]:
        return [tool("nsenter"), f"--target={self.pid}", "--net", "--mount", "--wd=.", "--", *arguments]

    def _unshare(self, *command: str) -> list[str]:
        if os.geteuid() != 0:
            impossible("only root can be the units' users")
        return [tool("unshare"), "--net", "--mount", "--", *command]


class Installed:
    """A machine with only the programs installed: `with Installed() as machine:`. `sh` runs lines on it.

    Its `/etc` is a copy. The directories that the guide's lines write to are empty at first. `systemctl` is a fake.
    """

    def __init__(self) -> None:
        self.space = RootNamespace()

    def __enter__(self) -> Self:
        self.space.__enter__()
        try:
            self._lay_out()
        except BaseException:
            self.space.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(f"[ ! -d {fake_systemctl.STATE} ] || systemctl stop dnsfilter dnsfilter-api")
        self.space.__exit__(kind, error, trace)

    def install(self) -> None:
        """Install users, units and configuration, by the documents' commands for a checkout, as if systemd ran."""
        _programs, units, _undo = blocks("docs/tasks/install.md", "From a checkout")
        self.sh(f"{units}\nmkdir -p /run/systemd/system")

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run lines of a shell as root, and accept any exit code."""
        found = {"PATH": f"{BIN}:{os.environ['PATH']}", "LANG": "C.UTF-8", "HOLDER": str(self.space.pid), **environ}
        return self.space.run("sh", "-euc", script, env=found, timeout_s=300)

    def sh(self, script: str, **environ: str) -> str:
        """Run lines of a shell as root and return what they print. Raise AssertionError if a line fails."""
        done = self.run(script, **environ)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def dig(self, name: str, qtype: str = "A", *, server: str, bind: str | None = None) -> DigResult:
        return dig(name, qtype, server=server, bind=bind, program=self.space.component("dig"))

    def owners(self, directory: str) -> Mapping[str, str]:
        """Return the owner, group and mode of each file in a directory, by its path below the directory."""
        lines = self.sh(f"cd {shlex.quote(directory)} && find . -printf '%P %u:%g:%m\\n'").splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def _lay_out(self) -> None:
        stand_in = f'PYTHONPATH={ROOT} exec {sys.executable} {fake_systemctl.__file__} "$@"'
        outside = component("dig")
        settings = shlex.join(f"{name}={value}" for name, value in outside.env.items())
        script = [
            "mount -t tmpfs -o mode=0755 none /run",
            *_open_up(Path(sys.base_prefix), ROOT, Path(sys.prefix)),
            f"mount -t tmpfs -o mode=0755 none {ROOM}",
            f"mkdir {BIN} && cp -a /etc {ROOM}/etc && mount --bind {ROOM}/etc /etc",
            *(f"mount -t tmpfs -o mode=0755 none {path}" for path in REPLACED),
            *(f"ln -s {program(name)} {BIN}/{name}" for name in PROGRAMS),
            _written(f"{BIN}/systemctl", stand_in),
            _written(f"{BIN}/dig", f'exec env {settings} {outside.path} "$@"'),
            # These would change the machine that runs the tests, or use its network. Neither is allowed.
            *(_written(f"{BIN}/{name}", ":") for name in ("sysctl", "apt-get")),
            f"chmod 0755 {BIN}/*",
        ]
        done = self.space.run("sh", "-euc", "\n".join(script))
        assert done.returncode == 0, done.stderr


def _written(path: str, line: str) -> str:
    """Return a shell line that writes a one-line program."""
    return f"printf '%s\\n' '#!/bin/sh' {shlex.quote(line)} > {path}"


def _open_up(*paths: Path) -> list[str]:
    """Return shell lines that let everybody reach these directories.

    A directory above may be closed, such as root's home.
    """
    closed: dict[Path, set[Path]] = {}
    for path in {path.resolve() for path in paths}:
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & 0o001:
                closed.setdefault(parent, set()).add(path)
                break
    lines = []
    for parent, within in closed.items():
        for number, path in enumerate(sorted(within)):
            lines += [f"mkdir -p /run/kept/{number} && mount --bind {path} /run/kept/{number}"]
        lines.append(f"mount -t tmpfs -o mode=0755 none {parent}")
        for number, path in enumerate(sorted(within)):
            lines.append(f"mkdir -p {path} && mount --bind /run/kept/{number} {path}")
    return lines
