"""The import contracts are kept and complete."""

import subprocess
import sys
from pathlib import Path

from tests.meta.project import PROJECT, import_contract

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def children(package: str) -> set[str]:
    """Return the dotted names of the modules and packages directly in `package`."""
    entries = (PROJECT / package).iterdir()
    modules = {entry.stem for entry in entries if entry.suffix == ".py" or (entry / "__init__.py").exists()}
    return {f"{package}.{name}" for name in modules - {"__init__", "__main__"}}


def test_every_import_contract_is_kept() -> None:
    done = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_of_the_resolver_has_a_layer() -> None:
    lines = import_contract("layers of the project")["layers"]
    assert children("dnsfilter") - {part.strip() for line in lines for part in line.split("|")} == set()


def test_no_room_of_the_control_plane_is_left_out_of_the_layers_or_may_import_its_neighbour() -> None:
    found = import_contract("layers of the control plane")
    assert (found["containers"], found["exhaustive"]) == (["api"], True)
    assert not any(key.startswith(("ignore", "exhaustive_ignore")) for key in found)
    # A colon would let rooms of one layer import each other in a circle.
    assert [line for line in found["layers"] if ":" in line] == []
