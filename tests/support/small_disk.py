"""A node whose state directory is a small disk of its own, which a test fills."""

import os
import subprocess
from pathlib import Path

from tests.support.namespaces import tool
from tests.support.nodes import Node, program


class SmallDisk(Node):
    """A node whose state directory is a disk of 16 MiB."""

    def command(self) -> list[str]:
        self.state.mkdir(exist_ok=True)
        mounted = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
        within = [tool("unshare"), "--user", "--map-root-user", "--mount", "--"]
        return [*within, "sh", "-c", mounted, str(self.state), *super().command()]

    @property
    def disk(self) -> Path:
        """Return a path of the state directory that can be used outside of the node's mounts."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.state}")

    def fill(self) -> Path:
        """Fill the disk to its last byte. Return the file to remove."""
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
        return filler

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this node on its machine, with its disk."""
        assert self.process is not None
        within = [tool("nsenter"), f"--target={self.process.pid}", "--user", "--mount", "--"]
        command = [*within, program("dnsfilter"), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
