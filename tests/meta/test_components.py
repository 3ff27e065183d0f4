"""The real programs that tests run."""

import shutil
from pathlib import Path

import pytest

from tests.support import components
from tests.support.components import component, program_paths


def version_argument(name: str) -> str:
    rows = [line.split() for line in components.TABLE.read_text().splitlines()]
    return next(row[3] for row in rows if row[0] == name)


@pytest.mark.parametrize("name", program_paths())
def test_a_component_starts(name: str) -> None:
    done = component(name).run(version_argument(name))
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(components, "DIRECTORY", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _name, path: None)


@pytest.mark.usefixtures("nothing_here")
def test_a_missing_component_skips_the_test_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="dig is not here: run scripts/components"):
        component("dig")


@pytest.mark.usefixtures("nothing_here")
def test_a_missing_component_fails_the_test_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="dig is not here"):
        component("dig")


def test_a_component_outside_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        component("nosuchprogram")
