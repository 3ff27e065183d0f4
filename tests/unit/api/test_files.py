"""Files are written atomically and durably."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from api.files import make_directories, write_secret


def here(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_only_the_owner_can_read_a_secret_and_it_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert here(tmp_path) == {"secret": b"new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_exclusive_writing_replaces_no_file(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", b"first", exclusive=True)
    assert here(tmp_path) == {"secret": b"first"}
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "secret", b"second", exclusive=True)
    assert here(tmp_path) == {"secret": b"first"}


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("no space")

    (tmp_path / "secret").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_secret(tmp_path / "secret", b"new")
    assert here(tmp_path) == {"secret": b"old"}


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_directory_is_synced_after_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    synced: list[tuple[str, bool]] = []

    def noted(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "secret").exists()))

    monkeypatch.setattr(os, "fsync", noted)
    write_secret(tmp_path / "secret", b"new", exclusive=exclusive)
    assert synced == [(str(tmp_path / ".secret.new"), False), (str(tmp_path), True)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of directories")
def test_directories_get_their_owner_and_their_parents_can_be_entered(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    (there := tmp_path / "there").mkdir(mode=0o711)
    outer, inner = tmp_path / "a" / "b", tmp_path / "a" / "b" / "c" / "d"
    before = os.umask(0o077)
    try:
        with make_directories({inner: 0o750, outer: 0o700, there: 0o750}, nobody):
            pass
    finally:
        os.umask(before)
    found = {
        path.name: (path.owner(), stat.S_IMODE(path.stat().st_mode)) for path in (there, *inner.parents[:3], inner)
    }
    assert found == {
        "there": ("root", 0o711),
        "a": ("root", 0o755),
        "b": ("nobody", 0o700),
        "c": ("root", 0o755),
        "d": ("nobody", 0o750),
    }


def test_directories_that_were_made_are_removed_if_the_block_fails(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with (
        pytest.raises(OSError, match="no space"),
        make_directories({tmp_path / "there" / "a": 0o750, tmp_path / "b" / "c": 0o750}, None),
    ):
        raise OSError("no space")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
