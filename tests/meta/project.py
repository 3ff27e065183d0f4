"""The project's tree and metadata, as the tests about them see it."""

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "blocklists", "dnsfilter")


def pyproject() -> dict[str, Any]:
    """pyproject.toml as it is."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def tracked_files() -> list[Path]:
    """Every file of the work tree that is, or would be, under version control."""
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
    """The package's modules, Python and Cython with what it includes, relative to the project."""
    for path in sorted((PROJECT / package).rglob("*.p*")):
        if path.suffix in {".py", ".pyx", ".pxi"}:
            yield path.relative_to(PROJECT)
