"""Files that are whole or not there, and last."""

import os
import stat
from pathlib import Path

import pytest

from api.durable import write_secret


def here(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_secret_is_its_owner_s_alone_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert here(tmp_path) == {"secret": b"new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_is_to_be_new_replaces_none(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", b"first", exclusive=True)
    assert here(tmp_path) == {"secret": b"first"}
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "secret", b"second", exclusive=True)
    assert here(tmp_path) == {"secret": b"first"}


def test_one_that_could_not_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("no space")

    (tmp_path / "secret").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_secret(tmp_path / "secret", b"new")
    assert here(tmp_path) == {"secret": b"old"}


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_directory_is_synced_after_the_file_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    synced: list[tuple[str, bool]] = []

    def noted(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "secret").exists()))

    monkeypatch.setattr(os, "fsync", noted)
    write_secret(tmp_path / "secret", b"new", exclusive=exclusive)
    assert synced == [(str(tmp_path / ".secret.new"), False), (str(tmp_path), True)]
