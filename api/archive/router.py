"""/v1/backup and /v1/archive: files that are sent while they are made, as of one instant."""

from collections.abc import Callable, Generator, Iterable
from itertools import chain

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from api.archive.dump import Source, backup
from api.archive.records import archive
from api.deps import PermitDep, Runtime, RuntimeDep
from api.problems import DATABASE, documented
from api.routing import Route

MEDIA_TYPE = "application/zip"
router = APIRouter(route_class=Route, prefix="/v1", tags=["installation"])

_FILE = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/backup",
    operation_id="get_backup",
    summary="Make a backup",
    response_class=StreamingResponse,
    responses={**documented(DATABASE), 200: {"description": "A zip file", **_FILE}},
)
def get_backup(held: RuntimeDep, _permit: PermitDep) -> StreamingResponse:
    """Everything in the database, with the key of the token hashes, as `dnsfilterctl restore` reads it.

    An answer that breaks off is no backup.
    """
    held.publishing.settle()
    now_s = int(held.clock())
    return _sent(held, lambda session: backup(Source(session, held.token_key, now_s)))


@router.get(
    "/archive",
    operation_id="get_archive",
    summary="Make an archive",
    response_class=StreamingResponse,
    responses={**documented(DATABASE), 200: {"description": "A zip file", **_FILE}},
)
def get_archive(held: RuntimeDep, _permit: PermitDep, *, names: bool = False) -> StreamingResponse:
    """Decisions, acts and reports as JSON and as text, with what it takes to check them.

    Accounts are numbers in it; with `names` a file says what they are called. An answer that breaks off is no archive.
    """
    return _sent(held, lambda session: archive(session, names=names))


def _sent(held: Runtime, make: Callable[[Session], Iterable[bytes]]) -> StreamingResponse:
    def pieces() -> Generator[bytes]:
        with held.database.reading() as session:
            yield from make(session)

    made = pieces()
    # What fails at once is answered as a problem; later the connection breaks off.
    return _File(next(made), made)


class _File(StreamingResponse):
    """A file as it is made. Where whoever asked hangs up, its transaction ends at once, not when memory is swept."""

    def __init__(self, first: bytes, rest: Generator[bytes]) -> None:
        super().__init__(chain((first,), rest), media_type=MEDIA_TYPE)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._rest.close()
