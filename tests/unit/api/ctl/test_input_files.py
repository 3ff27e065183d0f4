"""Files are written atomically."""

import os
import stat
from pathlib import Path

import pytest

from api.ctl.exit_codes import WrongInput
from api.ctl.input_files import CountedFile, read_text, write_atomically


def test_failed_block_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def failing() -> None:
        with write_atomically(target) as file:
            file.write(b"new")
            raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        failing()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o600, 0o600)])
def test_replaced_file_keeps_its_mode_unless_another_is_given(tmp_path: Path, mode: int | None, expected: int) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    target.chmod(0o640)
    with write_atomically(target, mode) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", expected)


def test_unwritable_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(WrongInput, match=r"cannot write .*nowhere/file: No such file"),
        write_atomically(tmp_path / "nowhere/file"),
    ):
        pytest.fail("there is nothing to write to")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with write_atomically(pipe, 0o600) as file:
            file.write(b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_content_is_counted_and_digested(tmp_path: Path) -> None:
    with write_atomically(tmp_path / "file") as file:
        counted = CountedFile(file)
        for piece in (b"ab", b"", b"c"):
            counted.write(piece)
    assert (counted.size, counted.digest[:8]) == (3, "ba7816bf")


def test_file_that_exceeds_the_limit_within_a_character_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("ééé", encoding="utf-8")
    assert read_text(str(tmp_path / "file"), 6) == "ééé"
    with pytest.raises(WrongInput, match="larger than 4 bytes"):
        read_text(str(tmp_path / "file"), 4)
