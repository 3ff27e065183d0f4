"""A running `make run` in a network namespace, where its ports and addresses are free."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meta.project import PROJECT, tracked_files
from tests.support.components import component
from tests.support.namespaces import KnotWithin, Namespace
from tests.support.nodes import Process
from tests.support.zone_texts import ZONES

UPSTREAM = "192.0.2.53"
"""The upstream in README.md."""
READY = ("127.0.0.1:9153", "127.0.0.1:8080")


class Checkout(Process):
    """A copy of the work tree with a running `make run`. It shares this environment, which takes minutes to build."""

    def __init__(self, space: Namespace, directory: Path) -> None:
        super().__init__(directory, "run")
        self._space = space
        for path in tracked_files():
            copy = directory / path.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        (directory / ".venv").symlink_to(PROJECT / ".venv")
        (directory / "scripts/bootstrap").write_text("#!/bin/sh\n")  # tests/meta/test_bootstrap.py covers it

    def command(self) -> list[str]:
        return self._space.command("make", "run", f"UPSTREAM={UPSTREAM}")

    def is_ready(self) -> bool:
        return all(self._space.status_of(address) == 200 for address in READY)

    def type(self, line: str, tools: str) -> subprocess.CompletedProcess[str]:
        """Run a line as if typed in another terminal."""
        command = self._space.command("bash", "-c", f"set -o pipefail\n{line}")
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=60)


@contextmanager
def running_checkout(directory: Path) -> Iterator[Checkout]:
    """Give a checkout that runs with an upstream, in a network of its own."""
    with Namespace() as space:
        space.add_address(f"{UPSTREAM}/32")
        with KnotWithin(space, ZONES, address=UPSTREAM, port=53), Checkout(space, directory) as running:
            yield running


def write_program(directory: Path, name: str) -> None:
    """Write a program that starts the component of that name."""
    found = component(name)
    libraries = found.env.get("LD_LIBRARY_PATH", "")
    line = f'LD_LIBRARY_PATH={shlex.quote(libraries)} exec {shlex.quote(str(found.path))} "$@"'
    program = directory / name
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
