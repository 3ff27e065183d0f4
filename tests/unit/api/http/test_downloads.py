"""A download is made before it is sent. Its resources are closed, even if sending fails."""

import asyncio
import os
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.types import Message

from api.archive.zipping import ZipWriter
from api.errors import Overloaded
from api.http import downloads
from api.http.downloads import PIECE, Download, file_download, spooled


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _sent(download: Download, method: str = "GET") -> bytes:
    parts: list[bytes] = []

    async def send(message: Message) -> None:
        parts.append(message.get("body", b""))

    await download({"type": "http", "method": method, "rest": nullcontext}, _never, send)
    return b"".join(parts)


def _of_file(path: Path) -> tuple[Download, Any]:
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        return file_download(file, stack.pop_all(), "application/zip"), file


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE + 3])
def test_a_file_is_sent_with_its_length_and_closed(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    download, file = _of_file(tmp_path / "file")
    assert download.headers["content-length"] == str(size)
    assert asyncio.run(_sent(download)) == b"x" * size
    assert file.closed


def test_head_reads_nothing_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * PIECE)
    download, file = _of_file(tmp_path / "file")
    assert asyncio.run(_sent(download, "HEAD")) == b""
    assert download.headers["content-length"] == str(PIECE)
    assert file.closed


def test_a_file_is_closed_after_it_was_truncated_or_the_client_left(tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def cut(_message: object) -> None:
        path.write_bytes(b"")

    async def gone(_message: object) -> None:
        raise OSError("gone")

    for send in (gone, cut):
        path.write_bytes(b"x" * 4 * PIECE)
        download, file = _of_file(path)
        with pytest.raises(OSError, match=r"gone|truncated"):
            asyncio.run(download({"type": "http", "method": "GET", "rest": nullcontext}, _never, send))
        assert file.closed


def test_a_spooled_file_has_no_name_and_begins_at_its_beginning(tmp_path: Path) -> None:
    with spooled(lambda file: file.writelines([b"first ", b"second"]), tmp_path) as file:
        assert list(tmp_path.iterdir()) == []
        assert file.read() == b"first second"


def test_a_failed_spooled_file_leaves_nothing(tmp_path: Path) -> None:
    def make(file: BinaryIO) -> None:
        file.write(b"first")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        spooled(make, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_downloads_leave_disk_space_to_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "KEPT_FREE", 2**62)
    with pytest.raises(Overloaded, match="is too full"):
        spooled(lambda file: file.write(b"piece"), tmp_path)

    def make(file: BinaryIO) -> None:
        with ZipWriter(file, 0o600) as made:
            made.add("one", (os.urandom(PIECE) for _ in range(3)))

    with pytest.raises(Overloaded, match="is too full"):
        spooled(make, tmp_path)


def test_only_a_complete_download_counts_as_sent(tmp_path: Path) -> None:
    path, sent = tmp_path / "file", []
    path.write_bytes(b"x" * 4 * PIECE)

    async def gone(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    for send in (gone, None):
        with path.open("rb") as file:
            download = file_download(file, ExitStack(), "application/zip", lambda: sent.append(1))
            if send is None:
                asyncio.run(_sent(download))
            else:
                with pytest.raises(OSError, match="gone"):
                    asyncio.run(download({"type": "http", "method": "GET", "rest": nullcontext}, _never, send))
                assert sent == []
    assert sent == [1]
