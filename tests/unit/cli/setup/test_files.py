"""Drafts are staged next to their files, then put in place with a copy of what was there."""

import os
from pathlib import Path

import pytest

from dnsfilter.cli.setup.files import Draft, put_in_place, read_text, staged
from dnsfilter.errors import ConfigError, UnavailableError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@root_only
def test_a_changed_file_leaves_a_copy_and_an_unchanged_one_stays(tmp_path: Path) -> None:
    changed, same, new = (tmp_path / name for name in ("changed", "same", "new"))
    changed.write_text("old")
    same.write_text("same")
    drafts = [Draft(changed, "old", "new text", "root"), Draft(same, "same", "same", "root")]
    drafts.append(Draft(new, None, "made", "root"))
    with staged(drafts):
        assert changed.read_text() == "old"
        done = put_in_place(drafts)
    (first, copy), (second, nothing) = done
    assert (first, second, nothing) == (changed, new, None)
    assert copy is not None
    assert [path.read_text() for path in (changed, copy, same, new)] == ["new text", "old", "same", "made"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["changed", copy.name, "same", "new"])
    assert new.stat().st_mode & 0o777 == 0o640


@root_only
def test_an_error_in_the_block_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ConfigError), staged([Draft(path, "old", "new", "root")]):
        raise ConfigError(())
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]


def test_a_missing_group_is_named(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "file", None, "", "no-such-group")
    with pytest.raises(UnavailableError, match="no group no-such-group"), staged([draft]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_text_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert read_text(tmp_path / "missing") is None
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_text(tmp_path / "file")
