"""The import contracts are kept and complete."""

import subprocess
import sys
from pathlib import Path

from tests.meta.project import PROJECT, pyproject

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def layers(name: str) -> set[str]:
    """Return the modules in the layers of the contract `name`."""
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    (lines,) = (contract["layers"] for contract in contracts if contract["name"] == name)
    return {part.strip() for line in lines for part in line.replace("|", ":").split(":")}


def children(package: str) -> set[str]:
    """Return the dotted names of the modules and packages directly in `package`."""
    entries = (PROJECT / package).iterdir()
    modules = {entry.stem for entry in entries if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    return {f"{package}.{name}" for name in modules - {"__init__", "__main__"}}


def test_every_import_contract_is_kept() -> None:
    done = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_of_the_resolver_has_a_layer() -> None:
    assert children("dnsfilter") - layers("layers of the project") == set()


def test_every_part_of_the_control_plane_has_a_layer() -> None:
    assert children("api") - layers("layers of the control plane") == set()
