"""A second run of the bootstrap returns at once, unless the environment is no longer what it was."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.meta.project import PROJECT

TOOLS = ("bash", "cat", "dirname", "flock", "grep", "id", "sed", "sha256sum")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project whose environment is ready, on a machine without any Python."""
    tree, tools, inside = tmp_path / "project", tmp_path / "tools", tmp_path / "project" / ".venv" / "bin"
    for directory in (tree / "scripts", tools, inside):
        directory.mkdir(parents=True)
    shutil.copy(PROJECT / "scripts" / "bootstrap", tree / "scripts")
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (tree / name).write_text(name)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    _program(inside / "python", '[ "$1" = -V ] && echo "Python 3.12.1"')
    _program(inside / "dnsfilter", "exit 0")
    _ready(tree, "run", "3.12")
    return tree


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def _ready(tree: Path, kind: str, version: str) -> None:
    """Write what a finished run leaves behind."""
    files = "requirements.lock requirements-dev.lock pyproject.toml scripts/bootstrap"
    key = subprocess.check_output(["bash", "-c", f"{{ pwd; cat {files}; }} | sha256sum"], cwd=tree, text=True).strip()
    (tree / ".venv" / ".ready").write_text(f"{kind} {version} {key}\n")


def _run(tree: Path, kind: str = "run") -> tuple[int, str]:
    environ = {key: value for key, value in os.environ.items() if key != "PYTHON"}
    done = subprocess.run(
        [tree / "scripts" / "bootstrap", kind],
        env={**environ, "PATH": str(tree.parent / "tools")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_ready_environment_is_left_alone(tree: Path) -> None:
    assert _run(tree) == (0, "")
    _ready(tree, "dev", "3.12")
    assert [_run(tree, kind) for kind in ("run", "dev")] == [(0, ""), (0, "")]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: _program(tree / ".venv" / "bin" / "python", 'echo "Python 3.13.0"'),
        lambda tree: _program(tree / ".venv" / "bin" / "python", "exit 1"),
        lambda tree: (tree / ".venv" / "bin" / "python").unlink(),
        lambda tree: (tree / ".venv" / "bin" / "dnsfilter").unlink(),
        lambda tree: (tree / "requirements.lock").write_text("other"),
        lambda tree: (tree / ".venv" / ".ready").unlink(),
    ],
    ids=["another Python", "a broken Python", "no Python", "no program", "another lock", "not ready"],
)
def test_what_has_changed_is_made_anew(tree: Path, change: object) -> None:
    assert callable(change)
    change(tree)
    (tree / ".venv" / ".unfinished").touch()
    code, said = _run(tree)
    assert code == 1
    assert "no Python 3.11 to 3.13 here" in said
