"""The commands of README.md, typed as printed, in a network namespace where its ports and addresses are free."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.project import PROJECT, tracked_files
from tests.support.components import Component, component
from tests.support.documents import EXIT_CODE_1, FENCE, text
from tests.support.namespaces import KnotWithin, Namespace
from tests.support.nodes import Process
from tests.support.zone_texts import ZONES

pytestmark = pytest.mark.slow

UPSTREAM = "192.0.2.53"
"""The upstream in README.md."""
FIRST, *BLOCKS = [block for language, block in FENCE.findall(text("README.md")) if language == "sh"]
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
        [line] = [line for line in FIRST.splitlines() if UPSTREAM in line]
        return self._space.command(*shlex.split(line, comments=True))

    def is_ready(self) -> bool:
        return all(self._space.status_of(address) == 200 for address in READY)

    def type(self, line: str, tools: str) -> subprocess.CompletedProcess[str]:
        """Run a line as if typed in another terminal."""
        command = self._space.command("bash", "-c", f"set -o pipefail\n{line}")
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with Namespace() as space:
        space.add_address(f"{UPSTREAM}/32")
        with (
            KnotWithin(space, ZONES, address=UPSTREAM, port=53),
            Checkout(space, tmp_path_factory.mktemp("checkout") / "dnsfilter") as running,
        ):
            yield running


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a directory with the programs that README.md requires."""
    directory = tmp_path_factory.mktemp("tools")
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    (directory / "dig").write_text(_dig(component("dig")))
    (directory / "dig").chmod(0o755)
    return str(directory)


def _dig(found: Component) -> str:
    libraries = found.env.get("LD_LIBRARY_PATH", "")
    return f'#!/bin/sh\nLD_LIBRARY_PATH={shlex.quote(libraries)} exec {shlex.quote(str(found.path))} "$@"\n'


def _lines(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def test_what_is_printed_can_be_typed_and_does_what_it_says(checkout: Checkout, tools: str) -> None:
    failed = []
    for line in (line for block in BLOCKS for line in _lines(block)):
        done = checkout.type(line, tools)
        _, _, said = line.partition("#")
        expected = int(any(command in line for command in EXIT_CODE_1))
        if done.returncode != expected or not _is_as_said(done.stdout, said if line.startswith("dig ") else ""):
            failed.append(f"{line}\n{done.returncode}\n{done.stdout}{done.stderr}")
    assert "\n".join(failed) == ""


def _is_as_said(answer: str, said: str) -> bool:
    """Return whether dig printed what the comment behind its line says."""
    if "REFUSED" in said:
        return "status: REFUSED" in answer and re.search(rf"EDE: {said.rpartition('EDE ')[2]}\b", answer) is not None
    return not said or "status: NOERROR" in answer
