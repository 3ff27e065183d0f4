"""What the programs import is declared in pyproject.toml, not left to what another library happens to bring."""

import ast
import sys
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.meta.project import PACKAGES, PROJECT, modules, pyproject


def imported(source: str) -> set[str]:
    """Return the top-level modules that a Python source imports when it runs."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


def test_every_imported_library_is_a_declared_dependency() -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in pyproject()["project"]["dependencies"]}
    sources = [PROJECT / path for package in PACKAGES for path in modules(package) if path.suffix == ".py"]
    libraries = set().union(*(imported(source.read_text()) for source in sources))
    libraries -= {*sys.stdlib_module_names, *PACKAGES, "_typeshed"}
    bringing = packages_distributions()
    assert [name for name in sorted(libraries) if not declared & set(map(canonicalize_name, bringing[name]))] == []
