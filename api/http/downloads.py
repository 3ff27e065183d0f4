"""Downloads: prepared first, then sent. While it is sent, a download holds no transaction and no request slot."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from io import BufferedRandom, FileIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from api.errors import Overloaded
from api.http.problems import id_of
from dnsfilter.telemetry.logs import emit

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = logging.getLogger("dnsfilter.api.access")

PIECE = 256 * 1024
TAKEN_S = 256.0
"""Seconds in which a client must read a piece: 1 kB per second."""
KEPT_FREE = 64 * 1024 * 1024
"""Bytes of disk that downloads leave free: the database is on the same disk."""


class Download(StreamingResponse):
    """Send `pieces`, then close `held`, even if sending fails."""

    def __init__(
        self, pieces: Iterable[bytes], held: ExitStack, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the download, or for HEAD its headers.

        It holds no request slot, so a slow receiver delays nobody. Abort for a very slow one.
        """

        async def paced(message: Message) -> None:
            async with asyncio.timeout(TAKEN_S):
                await send(message)

        if scope["method"] == "HEAD":
            # Nothing is sent, so `on_sent` of `file_download` must not be called.
            self.body_iterator = iterate_in_threadpool(())
        try:
            with scope["rest"]():
                await super().__call__(scope, receive, paced)
        except TimeoutError:
            # The server closes the connection of an incomplete answer.
            emit(log, logging.INFO, "download aborted, its receiver is too slow", request=id_of(scope))
        finally:
            self._held.close()


def file_download(
    file: BinaryIO, held: ExitStack, media_type: str, on_sent: Callable[[], None] | None = None
) -> Download:
    """Return a download of an open file, from its beginning. Closing `held` must close the file.

    `on_sent` is called once every piece is sent, and not for a download that breaks off.
    """
    size = os.fstat(file.fileno()).st_size
    return Download(_noted(_read(file, size), on_sent), held, media_type, {"Content-Length": str(size)})


class _LimitedFile(FileIO):
    """A file that leaves disk space to the database."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, or raise Overloaded if the disk would get too full."""
        found = os.fstatvfs(self.fileno())
        if found.f_bavail * found.f_frsize < KEPT_FREE + memoryview(data).nbytes:
            raise Overloaded("the control plane's disk is too full to prepare the download: free some space on it")
        return super().write(data)


def spooled(make: Callable[[BinaryIO], object], directory: Path) -> BinaryIO:
    """Let `make` write to a nameless temporary file in `directory`. Return the file, positioned at its beginning.

    Raise Overloaded if the disk would get too full.
    """
    with ExitStack() as stack, TemporaryFile(dir=directory) as named:
        file = stack.enter_context(BufferedRandom(_LimitedFile(os.dup(named.fileno()), "r+"), PIECE))
        make(file)
        file.seek(0)
        stack.pop_all()
        return file


def _noted(pieces: Iterator[bytes], on_sent: Callable[[], None] | None) -> Iterator[bytes]:
    yield from pieces
    # The next piece is asked for only after the last one was sent.
    if on_sent is not None:
        on_sent()


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = file.read(min(PIECE, size))
        if not piece:
            raise OSError("the file was truncated")
        size -= len(piece)
        yield piece
