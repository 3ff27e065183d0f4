"""The source distribution, the wheel and the installed programs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.meta.project import PACKAGES, PROJECT, pyproject, tracked_files

SCRIPTS: dict[str, str] = pyproject()["project"]["scripts"]
WITHOUT = "DNSFILTER_NO_EXTENSIONS"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of all files under version control."""
    source = tmp_path_factory.mktemp("source")
    for path in tracked_files():
        copy = source / path.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return source


@pytest.fixture(scope="module")
def unpacked(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the content of the source distribution."""
    unpacked, target = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("sdist")
    assert _setup(source, "sdist", "--dist-dir", str(target)).returncode == 0
    (archive,) = target.iterdir()
    subprocess.run(["tar", "-xf", archive, "-C", unpacked, "--strip-components=1"], check=True)
    return unpacked


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the names of the files in the wheel that the source distribution builds."""
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--no-build-isolation", "--no-deps", "--no-index", "-w", str(target), str(unpacked)]
    # A package test installs a wheel with the compiled engine. Compiling takes most of a build's time.
    done = subprocess.run(command, env=os.environ | {WITHOUT: "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    metadata = f"dnsfilter-{pyproject()['project']['version']}.dist-info"
    assert top == {*PACKAGES, metadata}


def test_the_source_distribution_holds_the_tests(unpacked: Path) -> None:
    assert (unpacked / "tests/unit/deploy/test_debian.py").exists()


def test_the_wheel_holds_every_file_of_the_packages(wheel: list[str]) -> None:
    relative = {path.relative_to(PROJECT) for path in tracked_files()}
    shipped = {str(path) for path in relative if path.parts[0] in PACKAGES}
    assert sorted(shipped - set(wheel)) == []


def test_the_wheel_holds_nothing_that_was_made(wheel: list[str]) -> None:
    relative = {str(path.relative_to(PROJECT)) for path in tracked_files()}
    assert [name for name in wheel if name not in relative and ".dist-info/" not in name] == []


def _setup(source: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "setup.py", "--quiet", *arguments]
    return subprocess.run(command, cwd=source, env=os.environ | environ, capture_output=True, text=True)


def test_without_a_compiler_one_line_says_what_to_install(source: Path, tmp_path: Path) -> None:
    elsewhere = ("build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path))
    failed = _setup(source, *elsewhere, CC="/nonexistent", **{WITHOUT: ""})
    assert failed.returncode == 1
    assert failed.stderr == (
        "build dnsfilter: no C compiler or no Python.h: apt-get install gcc libc6-dev python3-dev, "
        "or set DNSFILTER_NO_EXTENSIONS=1\n"
    )


def test_without_extensions_no_compiler_is_asked_for_and_nothing_is_built(source: Path, tmp_path: Path) -> None:
    elsewhere = ("build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path))
    built = _setup(source, *elsewhere, CC="/nonexistent", **{WITHOUT: "1"})
    assert (built.returncode, built.stderr) == (0, "")
    assert list(tmp_path.rglob("*.so")) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_script_is_installed_and_explains_itself(name: str) -> None:
    script = Path(sys.executable).with_name(name)
    done = subprocess.run([script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
