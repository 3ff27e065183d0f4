"""The places of files, their sizes, and content that they must not have."""

import ast
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tests.meta.project import PACKAGES, PROJECT, modules, tracked_files

MAX_LINES = 450
# Those of every domain of the control plane, and those of every package.
FIXED_NAMES = {"router", "schemas", "service", "repository", "state", "reading", "__init__", "errors"}
# A file has the name of its command here.
COMMANDS = {Path("api/ctl"), Path("dnsfilter/cli")}
# A checkout, a home directory or scratch files on the machine of an author. Matches only at the beginning of a path.
MACHINE_PATH = re.compile(rb"(?<![\w.-])(?:/(?:work|root|home|tmp)/[\w.]|\.\./shared\b)")


def mirrored(test: Path) -> Path:
    """Return the path that a test is about, without suffix: dnsfilter/x/y for tests/unit/x/test_y.py.

    Tests in api, blocklists and deploy are about those folders instead.
    """
    parts = test.relative_to("tests/unit").parts
    package = () if parts[0] in {"api", "blocklists", "deploy"} else ("dnsfilter",)
    return Path(*package, *parts[:-1], test.stem.removeprefix("test_"))


def subject(test: Path, known: set[Path]) -> Path | None:
    """Return the module that a unit test mirrors.

    test_decide_hours.py may be a second file about decide.py.
    """
    wanted = mirrored(test)
    words = wanted.name.split("_")
    names = ["_".join(words[:length]) for length in range(len(words), 0, -1)]
    return next((wanted.with_name(name) for name in names if name and wanted.with_name(name) in known), None)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("tests/unit/policy/test_decide.py", "dnsfilter/policy/decide"),
        ("tests/unit/policy/test_decide_weekly_hours.py", "dnsfilter/policy/decide"),
        ("tests/unit/blocklists/formats/test_hosts.py", "blocklists/formats/hosts"),
        ("tests/unit/deploy/test_systemd.py", "deploy/systemd"),
        ("tests/unit/engine/compiled/queries/test_wire.py", "dnsfilter/engine/compiled/queries/wire"),
        ("tests/unit/policy/test_hosts.py", None),
        ("tests/unit/test_decide.py", None),
    ],
)
def test_the_mirror_rule_finds_the_module_a_test_is_about(test: str, expected: str | None) -> None:
    resolver = {Path("dnsfilter/policy/decide"), Path("dnsfilter/engine/compiled/queries/wire")}
    known = resolver | {Path("blocklists/formats/hosts"), Path("deploy/systemd")}
    assert subject(Path(test), known) == (None if expected is None else Path(expected))


def test_every_unit_test_mirrors_a_module() -> None:
    known = {path.with_suffix("") for package in PACKAGES for path in modules(package)}
    known |= {path.relative_to(PROJECT) for path in (PROJECT / "deploy").iterdir()}
    tests = [path.relative_to(PROJECT) for path in (PROJECT / "tests/unit").rglob("test_*.py")]
    assert tests
    assert [str(test) for test in tests if subject(test, known) is None] == []


def test_every_test_directory_is_a_package() -> None:
    directories = {path.parent for path in (PROJECT / "tests").rglob("*.py")}
    assert sorted(str(path) for path in directories if not (path / "__init__.py").exists()) == []


def test_every_file_that_is_begun_first_exists_once() -> None:
    found = Counter(end for path in tracked_files() for end in LONGEST if path.match(end))
    assert found == Counter(LONGEST), "tests/conftest.py names a file that is missing or has a namesake"


def test_a_name_of_a_file_means_one_thing() -> None:
    files = [path for package in PACKAGES for path in modules(package)]
    named = Counter(path.name for path in files if path.stem not in FIXED_NAMES and not COMMANDS & {*path.parents})
    assert [name for name, count in named.items() if count > 1] == []


def test_no_source_file_grows_too_long() -> None:
    lines = {
        str(path): len((PROJECT / path).read_text().splitlines()) for package in PACKAGES for path in modules(package)
    }
    # A migration is one step, and is never split or changed after its release.
    assert {
        path: count for path, count in lines.items() if count > MAX_LINES and "migrations/versions" not in path
    } == {}


# Files for one domain, command or noun each. The folder gives the topic.
FIXED_NAMES = {"__init__", "main", "errors", "router", "schemas", "service", "repository", "state", "reading"}
OF_COMMANDS = ("api/ctl", "dnsfilter/cli", "api/archive/packaged")
MAX_FILES = 20


def test_a_base_name_means_one_thing() -> None:
    found: dict[str, list[str]] = {}
    for path in (path for package in PACKAGES for path in modules(package)):
        if path.stem not in FIXED_NAMES and path.suffix == ".py" and not str(path).startswith(OF_COMMANDS):
            found.setdefault(path.stem, []).append(str(path))
    assert {stem: paths for stem, paths in found.items() if len(paths) > 1} == {}


def test_no_folder_holds_too_many_files() -> None:
    counts = Counter(str(path.parent) for package in PACKAGES for path in modules(package))
    assert {folder: count for folder, count in counts.items() if count > MAX_FILES} == {}


def test_the_root_of_the_control_plane_has_at_most_ten_files() -> None:
    assert len(list((PROJECT / "api").glob("*.py"))) <= 10


def test_the_compiled_engine_includes_every_topic_once() -> None:
    engine = PROJECT / "dnsfilter/engine"
    included = re.findall(r'^include "(.+)"$', (engine / "_engine.pyx").read_text(), re.MULTILINE)
    assert sorted(included) == sorted(str(path.relative_to(engine)) for path in (engine / "compiled").rglob("*.pxi"))


# Layouts of memory, which C computes with at compile time, and a unit.
COMPILED_IN = {"FIRST_STAY_S", "MOST_PAST", "MOST_STEADY", "NS_PER_S", "SET_BITS", "TICKS_PER_MS", "WAYS"}


def test_the_compiled_engine_repeats_no_number_of_the_reference() -> None:
    number = re.compile(r"^(?: {4})?([A-Z][A-Z_]+)(?:: Final)? = ([0-9][0-9_]*)(?= *(?:#|$))", re.MULTILINE)
    found: dict[str, set[tuple[str, int]]] = {".py": set(), ".pxi": set()}
    for path in modules("dnsfilter"):
        numbers = number.findall((PROJECT / path).read_text())
        found.setdefault(path.suffix, set()).update((name, int(value)) for name, value in numbers)
    assert {name for name, _ in found[".py"] & found[".pxi"]} == COMPILED_IN


def test_a_text_below_a_value_is_on_the_next_line() -> None:
    apart = [
        f"{module}:{text.lineno}"
        for package in PACKAGES
        for module in modules(package)
        if module.suffix == ".py"
        for above, text in pairwise(ast.parse((PROJECT / module).read_text()).body)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if not isinstance(above, ast.Assign | ast.AnnAssign) or text.lineno != (above.end_lineno or 0) + 1
    ]
    assert apart == [], "its value was removed: remove the text too"


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    found = {str(path.relative_to(PROJECT)): MACHINE_PATH.findall(path.read_bytes()) for path in tracked_files()}
    assert {path: words for path, words in found.items() if words} == {}


SCRIPTS = (
    "scripts/alerts",
    "scripts/bootstrap",
    "scripts/catalogue",
    "scripts/check-description",
    "scripts/components",
    "scripts/console-texts",
    "scripts/node-packages",
    "scripts/permissions",
    "scripts/pictures",
    ".ci/run",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_executed(script: str) -> None:
    assert os.access(PROJECT / script, os.X_OK)
