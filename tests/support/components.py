"""Real programs for tests: unpacked in .components/ by scripts/components, or installed on the machine."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("components.txt")
DIRECTORY = PROJECT / ".components"
FEW_COLLECTIONS = {"GOGC": "400"}
"""Lets Prometheus and promtool collect garbage at four times the size, which saves a quarter of their time."""


@dataclass(frozen=True, slots=True)
class Component:
    """A program and its environment. The environment names its libraries, which the loader would not find."""

    path: Path
    env: Mapping[str, str]

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the program to its end. Return its output and exit code, and accept any code."""
        return subprocess.run(
            [self.path, *arguments], env=self.env, input=stdin, timeout=timeout_s, capture_output=True, text=True
        )


def program_paths() -> dict[str, str]:
    """Return the path of each program of the table inside the unpacked packages."""
    rows = [line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: path for name, _, path, _ in rows}


def component(name: str) -> Component:
    """Return the program of that name.

    Skip the calling test if the program is missing, and fail it if CI=true. Raise KeyError if the table does not list
    the name.
    """
    unpacked = DIRECTORY / "root" / program_paths()[name]
    if (DIRECTORY / "ready").exists() and unpacked.exists():
        found = (DIRECTORY / "root/usr/lib").glob
        # The loader finds the directories below by a path inside their users only if they are installed.
        below = ("", "/pulseaudio", "/systemd")
        libraries = [path for directory in below for path in sorted(found(f"*-linux-gnu*{directory}"))]
        return Component(unpacked, os.environ | FEW_COLLECTIONS | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))})
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    if installed := shutil.which(name, path=search):
        return Component(Path(installed), os.environ | FEW_COLLECTIONS)
    return impossible(f"{name} is not here: run scripts/components, or install it")


def end(process: "subprocess.Popen[bytes]", patience_s: float = 10.0) -> None:
    """Send SIGTERM to a program. Kill it if it has not ended after `patience_s`."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def impossible(reason: str) -> NoReturn:
    """Skip the calling test, or fail it if CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
