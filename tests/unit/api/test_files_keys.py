"""Key files: who must own them, and who may write or read them."""

import os
import stat
from pathlib import Path

import pytest

from api.files import key_file_fault, read_key_file

US, OTHERS = 998, 997


def _status(user: int, mode: int, kind: int = stat.S_IFREG) -> os.stat_result:
    return os.stat_result((kind | mode, 1, 1, 1, user, US, 32, 0, 0, 0))


@pytest.mark.parametrize(
    ("user", "mode", "fault"),
    [
        (US, 0o600, None),
        (US, 0o400, None),
        (0, 0o600, None),
        (0, 0o440, None),
        (0, 0o640, None),
        (0, 0o660, "can be written"),
        (0, 0o644, "can be read"),
        (US, 0o640, "can be read"),
        (US, 0o604, "can be read"),
        (US, 0o620, "can be written"),
        (US, 0o602, "can be written"),
        (OTHERS, 0o600, "belongs to user 997"),
    ],
)
def test_only_the_owner_or_root_may_hold_a_key(user: int, mode: int, fault: str | None) -> None:
    found = key_file_fault(_status(user, mode), US)
    assert (found or "")[: len(fault or "")] == (fault or "")
    assert (found is None) == (fault is None)


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR])
def test_a_key_must_be_a_regular_file(kind: int) -> None:
    assert key_file_fault(_status(US, 0o600, kind), US) == "is not a regular file"


@pytest.mark.parametrize(("user", "accepted"), [(US, True), (0, True), (OTHERS, False)])
def test_only_links_of_the_user_or_of_root_are_followed(user: int, accepted: bool) -> None:
    assert (key_file_fault(_status(user, 0o777, stat.S_IFLNK), US) is None) == accepted


def test_at_most_the_given_size_is_read_also_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "key", tmp_path / "link"
    path.touch(0o600)
    path.write_bytes(b"x" * 40)
    link.symlink_to(path)
    assert [read_key_file(each, 32) for each in (path, link)] == [b"x" * 32] * 2
    path.chmod(0o644)
    with pytest.raises(ValueError, match="link can be read by others"):
        read_key_file(link, 32)


def test_a_pipe_does_not_block_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    with pytest.raises(ValueError, match="key is not a regular file"):
        read_key_file(tmp_path / "key", 32)


def test_a_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    if os.geteuid() != 0:
        pytest.skip("only root can change the owner of a file")
    os.chown(path, OTHERS, -1)
    with pytest.raises(ValueError, match="key belongs to user 997"):
        read_key_file(path, 32)
