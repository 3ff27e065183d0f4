"""The lock files: complete, hashed, consistent with pyproject.toml and with each other."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.meta.project import PROJECT, pyproject, tracked_files

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-docs.lock", "requirements-postgresql.lock")
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; .*)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
INSTALLATION = re.compile(r"\bpip install (.*)")


def pins(lock: str) -> dict[str, str]:
    lines = (PROJECT / lock).read_text().splitlines()
    return {match["name"]: match["version"] for line in lines if (match := PIN.match(line))}


def required(lock: str) -> list[Requirement]:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    shipped = [*project["dependencies"], *groups["build"]]
    texts = {
        "requirements.lock": shipped,
        "requirements-dev.lock": [
            *shipped,
            *project["optional-dependencies"]["dev"],
            *groups["docs"],
            *groups["postgresql"],
        ],
        "requirements-docs.lock": groups["docs"],
        "requirements-postgresql.lock": groups["postgresql"],
    }
    return [Requirement(text) for text in texts[lock]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_to_a_version_it_allows(lock: str) -> None:
    pinned = pins(lock)
    wrong = [
        str(requirement)
        for requirement in required(lock)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]
    assert wrong == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_only_pins_hashes_and_comments(lock: str) -> None:
    lines = (PROJECT / lock).read_text().splitlines()
    assert [line for line in lines if not (PIN.match(line) or HASH.match(line) or line.lstrip().startswith("#"))] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    lines = (PROJECT / lock).read_text().splitlines()
    follows = zip(lines, [*lines[1:], ""], strict=True)
    assert [line for line, following in follows if PIN.match(line) and not HASH.match(following)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_tests_run_on_what_is_shipped(lock: str) -> None:
    assert pins(lock).items() <= pins("requirements-dev.lock").items()


def test_documented_installations_take_only_hashed_pins_and_the_project_itself() -> None:
    allowed = {"--no-deps --no-build-isolation .", *(f"--require-hashes -r {lock}" for lock in LOCKS)}
    documents = [path.read_text() for path in tracked_files() if path.suffix == ".md"]
    assert {line for text in documents for line in INSTALLATION.findall(text)} - allowed == set()


def test_the_locked_build_requirements_are_those_of_the_build_system() -> None:
    assert pyproject()["dependency-groups"]["build"] == pyproject()["build-system"]["requires"]
