"""Run nft(8) for the table of this project."""

import os
import shutil
import subprocess

from dnsfilter.errors import UnavailableError
from dnsfilter.firewall.nftables import REMOVAL, TABLE

LIMIT_S = 60.0
_SYSTEM = ("/usr/sbin", "/sbin")


class Nft:
    """The program `nft`. Each call that fails raises UnavailableError with what to do."""

    def __init__(self) -> None:
        path = shutil.which("nft", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM]))
        if path is None:
            raise UnavailableError("run nft: it is not installed: apt-get install nftables")
        self._path = path

    def apply(self, text: str) -> None:
        """Carry out these commands as one transaction."""
        done = self._run(["-f", "-"], text)
        if done.returncode != 0:
            raise UnavailableError(f"apply firewall rules: {_reason(done)}")

    def remove(self) -> None:
        """Remove the table, if it is there."""
        self.apply(REMOVAL)

    def listed(self) -> str | None:
        """Return the table with all its rules and elements as nft lists it. None if it is not there."""
        done = self._run(["--stateless", "list", "table", *TABLE.split()], "")
        return done.stdout if done.returncode == 0 else None

    def _run(self, arguments: list[str], text: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self._path, *arguments], input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"run {self._path}: {error}") from error


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    first = next(iter(done.stderr.splitlines()), f"exit code {done.returncode}")
    return f"{first} (this needs root or the capability CAP_NET_ADMIN)" if "not permitted" in first else first
