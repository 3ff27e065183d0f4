"""The bootstrap returns at once if the environment is ready, and prepares it again if anything has changed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.meta.project import PROJECT

TOOLS = ("bash", "cat", "dirname", "flock", "grep", "id", "rm", "sed", "sleep", "sha256sum", "touch")
LOCKS = ("requirements.lock", "requirements-dev.lock", "scripts/bootstrap")
PROJECT_FILES = (
    "pyproject.toml",
    "setup.py",
    "dnsfilter/engine/_engine.pyx",
    "dnsfilter/engine/compiled/defs.pxi",
    "dnsfilter/engine/compiled/queries/wire.pxi",
)
"""With the locks, the files that determine the environment, in the order in which the bootstrap hashes them."""
EXTENSION = "dnsfilter/engine/_engine.cpython-312-x86_64-linux-gnu.so"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a project with a ready environment, on a machine without Python outside that environment."""
    tree, tools, inside = tmp_path / "project", tmp_path / "tools", tmp_path / "project" / ".venv" / "bin"
    for directory in (tree / "scripts", tree / "dnsfilter/engine/compiled/queries", tools, inside):
        directory.mkdir(parents=True)
    for name in (*LOCKS, *PROJECT_FILES, EXTENSION):
        (tree / name).write_text(f"{name}\n")
    shutil.copy(PROJECT / "scripts" / "bootstrap", tree / "scripts")
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
    """Write the files that a finished run leaves."""
    packages = _key(tree, f"{tree}\n", LOCKS)
    (tree / ".venv" / ".packages").write_text(f"{kind} {version} {packages}\n")
    key = _key(tree, f"{packages}  \n", PROJECT_FILES)
    (tree / ".venv" / ".ready").write_text(f"{kind} {version} {key}\n")


def _key(tree: Path, first: str, names: Iterable[str]) -> str:
    return f"{sha256(first.encode() + b''.join((tree / name).read_bytes() for name in names)).hexdigest()}  -"


def _run(tree: Path, kind: str = "run", **more: str) -> tuple[int, str]:
    ours = ("PYTHON", "CC", "DNSFILTER_NO_EXTENSIONS", "DNSFILTER_SANITIZE")
    environ = {key: value for key, value in os.environ.items() if key not in ours} | more
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


def test_settings_of_tests_and_checks_are_not_installed(tree: Path) -> None:
    with (tree / "pyproject.toml").open("a") as file:
        file.write("[tool.pytest.ini_options]\n[tool.ruff]\n")
    (tree / ".venv" / ".unfinished").touch()
    assert _run(tree) == (0, "")


@pytest.mark.parametrize(("changed", "installs"), [("requirements.lock", True), ("setup.py", False)])
def test_packages_are_installed_again_only_if_a_lock_has_changed(tree: Path, changed: str, installs: bool) -> None:
    packages = (tree / ".venv/.packages").read_text()
    _fake_environment(tree)
    (tree / ".venv/.packages").write_text(packages)
    python = tree / ".venv/bin/python"
    python.write_text(python.read_text().replace("in ", 'in *require-hashes*) : >"$0.called" ;; ', 1))
    (tree / changed).write_text("other")
    assert _run(tree, DNSFILTER_NO_EXTENSIONS="1")[0] == 0
    assert python.with_name("python.called").exists() == installs


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: _program(tree / ".venv" / "bin" / "python", 'echo "Python 3.13.0"'),
        lambda tree: _program(tree / ".venv" / "bin" / "python", "exit 1"),
        lambda tree: (tree / ".venv" / "bin" / "python").unlink(),
        lambda tree: (tree / ".venv" / "bin" / "dnsfilter").unlink(),
        lambda tree: (tree / "requirements.lock").write_text("other"),
        lambda tree: (tree / ".venv" / ".ready").unlink(),
        lambda tree: (tree / "setup.py").write_text("other"),
        lambda tree: (tree / "dnsfilter/engine/_engine.pyx").write_text("other"),
        lambda tree: (tree / "dnsfilter/engine/compiled/queries/wire.pxi").write_text("other"),
        lambda tree: (tree / EXTENSION).unlink(),
        lambda tree: (tree / EXTENSION).rename(tree / EXTENSION.replace("312", "311")),
    ],
    ids=[
        *("another Python", "a broken Python", "no Python", "no program", "another lock", "not ready", "another build"),
        *("another engine", "another topic of the engine", "no extension", "another Python's extension"),
    ],
)
def test_what_has_changed_is_made_again(tree: Path, change: object) -> None:
    assert callable(change)
    change(tree)
    (tree / ".venv" / ".unfinished").touch()
    code, said = _run(tree)
    assert code == 1
    assert "no Python 3.11 to 3.13 found" in said


def _fake_environment(tree: Path) -> None:
    """Make the environment unready. Its Python installs nothing and names a compiler that does not exist."""
    (tree / ".venv/.packages").unlink()
    answers = (("-V", "Python 3.12.1"), ("*sysconfig*", "no-such-cc\n/nowhere"), ("*%d*", "3.12"))
    cases = " ".join(f"{asked}) echo '{said}' ;;" for asked, said in answers)
    _program(tree / ".venv/bin/python", f'case "$*" in {cases} esac')
    (tree / ".venv/bin/pip").write_text(f"#!{tree}/.venv/bin/python")
    (tree / ".venv/.ready").unlink()


def test_without_a_compiler_it_says_which_packages_are_missing_and_how_to_do_without(tree: Path) -> None:
    _fake_environment(tree)
    code, said = _run(tree)
    assert code == 1
    *_, line = said.splitlines()
    assert "apt-get install gcc libc6-dev python3.12-dev" in line
    assert "DNSFILTER_NO_EXTENSIONS=1" in line


def test_without_the_extension_no_compiler_is_needed_and_none_is_left(tree: Path) -> None:
    _fake_environment(tree)
    code, said = _run(tree, DNSFILTER_NO_EXTENSIONS="1")
    assert (code, "compiling" in said) == (0, False)
    assert not (tree / EXTENSION).exists()
    assert _run(tree, DNSFILTER_NO_EXTENSIONS="1") == (0, "")
    assert _run(tree)[0] == 1


def test_each_step_is_printed_before_it_is_taken(tree: Path) -> None:
    _fake_environment(tree)
    _, said = _run(tree, DNSFILTER_NO_EXTENSIONS="1")
    lines = [re.sub(r"\d+ s\b", "N s", line) for line in said.splitlines()]
    assert lines == [
        "bootstrap: step 1 of 4 (N s): checking Python and .venv",
        "bootstrap: step 2 of 4 (N s): installing the packages of requirements.lock (a minute or more)",
        "bootstrap: step 3 of 4 (N s): installing the project",
        "bootstrap: step 4 of 4 (N s): preparing modules for a fast start",
        "bootstrap: the examples of README.md need dig and curl: apt-get install bind9-dnsutils curl",
        "bootstrap: ready (N s)",
    ]


@pytest.mark.parametrize(
    ("slow", "words"), [("require-hashes", "installing them"), ("no-build-isolation", "installing the project")]
)
def test_a_long_step_says_that_it_goes_on(tree: Path, slow: str, words: str) -> None:
    _fake_environment(tree)
    tools, python = tree.parent / "tools", tree / ".venv/bin/python"
    # The fake sleep makes a second of the script short. The step ends after its message appears.
    (tools / "sleep").unlink()
    _program(tools / "sleep", "exit 0")
    os.mkfifo(tree / "said")
    said = os.open(tree / "said", os.O_RDWR)  # opening for writing alone waits for a reader, which may have timed out
    python.write_text(python.read_text().replace("in ", f"in *{slow}*) read -rt 60 _ <>said ;; ", 1))
    environ = {"PATH": str(tools), "DNSFILTER_NO_EXTENSIONS": "1"}
    command: list[str | Path] = [tree / "scripts" / "bootstrap", "run"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        ticks = (line for line in running.stderr if line.startswith(f"bootstrap: {words} goes on ("))
        ticked = next(ticks, None)
        os.write(said, b"now\n")
        *_, last = ["", *running.stderr]
    os.close(said)
    assert ticked is not None
    assert (running.returncode, last.startswith("bootstrap: ready (")) == (0, True), last
