"""Downloads: made first, then sent. A download that is being sent holds no transaction and no place in the load."""

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
from starlette.types import Message, Receive, Scope, Send

from api.errors import Overloaded
from api.http.problems import id_of
from dnsfilter.telemetry.logs import emit

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = logging.getLogger("dnsfilter.api.access")

PIECE = 256 * 1024
TAKEN_S = 256.0
"""Seconds in which a client has to read a piece: 1 kB a second."""
KEPT_FREE = 64 * 1024 * 1024
"""Bytes of the disk that no download takes: the database is on the same one."""


class Download(StreamingResponse):
    """Send `pieces`, then close `held`, however the sending ends."""

    def __init__(
        self, pieces: Iterable[bytes], held: ExitStack, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the download. A slow receiver takes no place of callers that ask, and a very slow one is given up."""

        async def paced(message: Message) -> None:
            async with asyncio.timeout(TAKEN_S):
                await send(message)

        try:
            with scope["rest"]():
                await super().__call__(scope, receive, paced)
        except TimeoutError:
            # The server ends the connection of an answer that is not complete.
            emit(log, logging.INFO, "download given up, its receiver is too slow", request=id_of(scope))
        finally:
            self._held.close()


def file_download(file: BinaryIO, held: ExitStack, media_type: str) -> Download:
    """Return a download of an open file, from its beginning; `held` closes the file."""
    size = os.fstat(file.fileno()).st_size
    return Download(_read(file, size), held, media_type, {"Content-Length": str(size)})


class _Modest(FileIO):
    """A file that leaves some of its disk to the database."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, or raise Overloaded if the disk would get too full."""
        found = os.fstatvfs(self.fileno())
        if found.f_bavail * found.f_frsize < KEPT_FREE + memoryview(data).nbytes:
            raise Overloaded("the control plane's disk is too full to prepare the download: free some space there")
        return super().write(data)


def spooled(make: Callable[[BinaryIO], object], directory: Path) -> BinaryIO:
    """Have `make` write to a temporary file without a name in `directory`, and return it at its beginning.

    Raise Overloaded if the disk would get too full.
    """
    with ExitStack() as stack, TemporaryFile(dir=directory) as named:
        file = stack.enter_context(BufferedRandom(_Modest(os.dup(named.fileno()), "r+"), PIECE))
        make(file)
        file.seek(0)
        stack.pop_all()
        return file


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = file.read(min(PIECE, size))
        if not piece:
            raise OSError("the file has become shorter")
        size -= len(piece)
        yield piece
