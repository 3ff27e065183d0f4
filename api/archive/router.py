"""/v1/backup and /v1/archive: files as of one instant, made first, then sent."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import BinaryIO

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.archive.dump import backup
from api.archive.last_backup import note_backup
from api.archive.readable import archive
from api.http.dependencies import COSTLY, Runtime, RuntimeDep
from api.http.downloads import Download, file_download, spooled
from api.http.permits import Auditor, BackupMaker
from api.http.problems import DATABASE, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route

MEDIA_TYPE = "application/zip"
router = APIRouter(route_class=Route, prefix="/v1", tags=["installation"])

_FILE = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/backup",
    summary="Make a backup",
    response_class=StreamingResponse,
    responses={**documented(DATABASE, TOO_MANY_AT_ONCE), 200: {"description": "A zip file", **_FILE}},
)
def get_backup(held: RuntimeDep, permit: BackupMaker) -> Download:
    """Return the complete database and the key of the token hashes, as `dnsfilterctl restore` reads them.

    The file is made before the first byte is sent. A truncated answer is not a backup.
    """
    with ExitStack() as stack:
        stack.enter_context(held.backups.held(permit.caller.account))
        held.publishing.store_in_force()
        now_s = int(held.clock())
        on_sent = partial(note_backup, held.settings.last_backup_path, now_s)
        return _made(held, stack, lambda session, file: backup(session, held.token_key, now_s, file), on_sent)


@router.get(
    "/archive",
    summary="Make an archive",
    response_class=StreamingResponse,
    dependencies=[COSTLY],
    responses={**documented(DATABASE, TOO_MANY_AT_ONCE), 200: {"description": "A zip file", **_FILE}},
)
def get_archive(held: RuntimeDep, permit: Auditor, *, names: bool = False) -> Download:
    """Return decisions, acts and reports as JSON and as text, with the means to check them.

    Accounts are numbers in it. With `names`, a file has their names. The archive is made before the first byte is sent.
    A truncated answer is not an archive.
    """
    with ExitStack() as stack:
        stack.enter_context(held.downloads.held(permit.caller.account))
        return _made(held, stack, lambda session, file: archive(session, file, names=names))


def _made(
    held: Runtime,
    stack: ExitStack,
    make: Callable[[Session, BinaryIO], None],
    on_sent: Callable[[], None] | None = None,
) -> Download:
    with held.database.reading() as session:
        file = stack.enter_context(spooled(partial(make, session), held.settings.state_dir))
    return file_download(file, stack.pop_all(), MEDIA_TYPE, on_sent)
