"""Only files below the directory of feeds are read, and only what has the size of a list."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from api.feeds.failures import Failure, FetchError
from api.feeds.feed_files import SETTING, read_file

LIMIT = 1000


def _failure(directory: Path | None, name: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        read_file(directory, name, "", LIMIT)
    return caught.value


def _link_out(directory: Path) -> None:
    (directory.parent / "secret").write_text("secret")
    (directory / "list").symlink_to("../secret")


@pytest.mark.parametrize(
    ("prepare", "name", "failure", "message"),
    [
        (lambda _: None, "list", Failure.FILE, "cannot read list in {} (No such file or directory)"),
        (lambda _: None, "li\0st", Failure.FILE, "cannot read"),
        (lambda _: None, "/etc/hostname", Failure.FILE, "/etc/hostname is outside {}: move the file there"),
        (lambda _: None, "../feeds/../other", Failure.FILE, "cannot read"),
        (_link_out, "list", Failure.FILE, "list is outside {}"),
        (_link_out, "../secret", Failure.FILE, "../secret is outside {}"),
        (lambda directory: (directory / "list").mkdir(), "list", Failure.FILE, "list in {} is not a file"),
        (lambda directory: os.mkfifo(directory / "list"), "list", Failure.FILE, "list in {} is not a file"),
        (
            lambda directory: (directory / "list").write_bytes(b"x" * (LIMIT + 1)),
            "list",
            Failure.SIZE,
            "list has more than 1000 bytes: choose a smaller list",
        ),
    ],
)
def test_unusable_file_is_a_failure_that_says_what_to_do(
    tmp_path: Path, prepare: Callable[[Path], object], name: str, failure: Failure, message: str
) -> None:
    directory = tmp_path / "feeds"
    directory.mkdir()
    prepare(directory)
    error = _failure(directory, name)
    assert error.failure is failure
    assert message.format(directory) in str(error)


def test_without_a_directory_no_file_is_read() -> None:
    assert f"name one in {SETTING}" in str(_failure(None, "list"))


def test_link_within_the_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "list-7").write_bytes(b"a.example.org\n")
    (tmp_path / "list").symlink_to("list-7")
    found = read_file(tmp_path, "list", "", LIMIT)
    assert found is not None
    assert found[0] == b"a.example.org\n"
