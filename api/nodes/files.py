"""A file on its way to a node: a piece at a time, and closed however that ends.

Who takes nothing of it is given up where connections are, `api/system/connections.py`.
"""

import os
from collections.abc import Callable
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE = 256 * 1024


class FileAnswer(Response):
    """The octets of an open file; `done` is called once when it is closed."""

    media_type = "application/octet-stream"

    def __init__(self, file: BinaryIO, done: Callable[[], None]) -> None:
        super().__init__(None)
        self._file, self._done = file, done
        self._size = os.fstat(file.fileno()).st_size
        self.headers["Content-Length"] = str(self._size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send as many octets as were announced; raises OSError where the file has fewer."""
        try:
            # Who takes long to receive takes no place of those that ask.
            with scope["rest"]():
                await self._send(send)
        finally:
            self._file.close()
            self._done()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = self._size
        while left > 0:
            piece = await run_in_threadpool(self._file.read, min(PIECE, left))
            if not piece:
                raise OSError("the file has become shorter")
            left -= len(piece)
            message = {"type": "http.response.body", "body": piece, "more_body": left > 0}
            await send(message)
        if self._size == 0:
            await send({"type": "http.response.body", "body": b""})
