"""The project's tree and metadata, for the tests about them."""

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "blocklists", "dnsfilter")


def pyproject() -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def import_contract(name: str) -> dict[str, Any]:
    """Return the import contract of that name."""
    contracts: list[dict[str, Any]] = pyproject()["tool"]["importlinter"]["contracts"]
    (found,) = (contract for contract in contracts if contract["name"] == name)
    return found


def tracked_files() -> list[Path]:
    """Return every file of the work tree that is under version control, or is neither tracked nor ignored."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "-C",
        str(PROJECT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := PROJECT / name).is_file()]


def modules(package: str) -> Iterator[Path]:
    """Yield the package's Python and Cython modules and included Cython files, relative to the project."""
    for path in sorted((PROJECT / package).rglob("*.p*")):
        if path.suffix in {".py", ".pyx", ".pxi"}:
            yield path.relative_to(PROJECT)
