"""Files are written atomically."""

import os
import stat
from pathlib import Path

import pytest

from api.ctl.exit_codes import WrongInput
from api.ctl.input_files import Counted, read_text, writing


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def failing() -> None:
        with writing(target) as file:
            file.write(b"new")
            raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        failing()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o600, 0o600)])
def test_a_file_that_is_replaced_keeps_its_mode_unless_another_is_asked_for(
    tmp_path: Path, mode: int | None, expected: int
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    target.chmod(0o640)
    with writing(target, mode) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", expected)


def test_what_the_file_system_refuses_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(WrongInput, match=r"cannot write .*nowhere/file: No such file"),
        writing(tmp_path / "nowhere/file"),
    ):
        pytest.fail("there is nothing to write to")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with writing(pipe, 0o600) as file:
            file.write(b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_was_written_is_counted_and_digested(tmp_path: Path) -> None:
    with writing(tmp_path / "file") as file:
        counted = Counted(file)
        for piece in (b"ab", b"", b"c"):
            counted.write(piece)
    assert (counted.octets, counted.digest[:8]) == (3, "ba7816bf")


def test_a_file_that_is_cut_off_within_a_letter_is_called_too_large(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("ééé", encoding="utf-8")
    assert read_text(str(tmp_path / "file"), 6) == "ééé"
    with pytest.raises(WrongInput, match="larger than 4 octets"):
        read_text(str(tmp_path / "file"), 4)
