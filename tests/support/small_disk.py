"""Programs whose state directory is a small disk of its own, which a test fills."""

import subprocess
from pathlib import Path

from tests.support.control_planes import Api
from tests.support.namespaces import tool
from tests.support.nodes import Node, Process, program

_MOUNTED = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'


def _on_small_disk(state: Path, command: list[str]) -> list[str]:
    """Return the command, with a disk of 16 MiB at its state directory, in mounts of its own."""
    state.mkdir(exist_ok=True)
    within = [tool("unshare"), "--user", "--map-root-user", "--mount", "--"]
    return [*within, "sh", "-c", _MOUNTED, str(state), *command]


def _disk_of(program: Process, state: Path) -> Path:
    """Return a path of the state directory that can be used outside of the program's mounts."""
    assert program.process is not None
    return Path(f"/proc/{program.process.pid}/root{state}")


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte. Return the file to remove."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


class SmallDisk(Node):
    """A node with a small disk."""

    def command(self) -> list[str]:
        return _on_small_disk(self.state, super().command())

    @property
    def disk(self) -> Path:
        return _disk_of(self, self.state)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this node on its machine, with its disk."""
        assert self.process is not None
        within = [tool("nsenter"), f"--target={self.process.pid}", "--user", "--mount", "--"]
        command = [*within, program("dnsfilter"), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class SmallApi(Api):
    """A control plane with a small disk."""

    is_forked = False

    def command(self) -> list[str]:
        return _on_small_disk(self.state, super().command())

    @property
    def disk(self) -> Path:
        return _disk_of(self, self.state)
