"""What is built and installed."""

import importlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.meta.project import PACKAGES, PROJECT, pyproject, tracked_files

SCRIPTS: dict[str, str] = pyproject()["project"]["scripts"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel, built from a copy of what is under version control."""
    source = tmp_path_factory.mktemp("source")
    for path in tracked_files():
        copy = source / path.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--no-build-isolation", "--no-deps", "--no-index", "-w", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    metadata = {name for name in top if name.endswith(".dist-info")}
    assert len(metadata) == 1
    assert top - metadata == set(PACKAGES)


def test_the_wheel_holds_every_file_of_the_packages(wheel: list[str]) -> None:
    relative = {path.relative_to(PROJECT) for path in tracked_files()}
    shipped = {str(path) for path in relative if path.parts[0] in PACKAGES}
    assert sorted(shipped - set(wheel)) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_script_is_something_callable(name: str) -> None:
    module, _, attribute = SCRIPTS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_script_is_installed_and_explains_itself(name: str) -> None:
    script = Path(sys.executable).with_name(name)
    done = subprocess.run([script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
