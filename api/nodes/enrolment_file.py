"""The node of the control plane's own machine: it enrols with a one-time token in a file that it can read."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from api.auth.node_tokens import authenticate_enrolment
from api.auth.tokens import MAX_LENGTH
from api.db.models import NodeRow
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.files import write_secret
from api.nodes import repository, service
from dnsfilter.control.local_enrolment import NAME
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.telemetry.logs import emit

MODE = 0o640
"""The state directory's group reads it, which is the resolver's."""

log = logging.getLogger("dnsfilter.api")


def invite(database: Database, key: bytes, path: Path, now_s: int) -> None:
    """Register this machine's node, unless it is, and write a one-time token for it. Raise Conflict and OSError.

    What the node has now is taken until it uses the token.
    """
    with database.writing() as session:
        unit = UnitOfWork(session, LOCAL, now_s)
        row = repository.find(session, NAME)
        if row is None or row.removed_s is not None:
            _, fresh = service.register(unit, key, NAME, DEFAULT_SITE)
        else:
            fresh = service.invite(unit, key, row)
        write_secret(path, fresh.text.encode() + b"\n", mode=MODE)


def look_after(database: Database, key: bytes, path: Path, now_s: int, restored_s: int | None) -> None:
    """Renew the token in the file if it ended before the node used it, and remove one that is of no use.

    Write one if the database was restored at `restored_s` and the node has not enrolled since: it may have lost what
    it enrolled with. A fault is logged.
    """
    try:
        with database.reading() as session:
            row = repository.find(session, NAME)
            wanted = row is not None and row.removed_s is None and _is_wanted(row, now_s, restored_s)
            if _is_taken(session, key, path, now_s):
                return
        if path.exists() and not wanted:
            path.unlink()
        elif wanted and (restored_s is not None or path.exists()):
            invite(database, key, path, now_s)
            emit(log, logging.INFO, "one-time token for this machine's node written", path=path)
    except OSError as error:
        emit(log, logging.ERROR, "no one-time token for this machine's node", path=path, reason=error.strerror)


def remove_used(name: str, path: Path) -> None:
    """Remove the file once the node `name` has enrolled, if that is this machine's."""
    if name == NAME:
        with suppress(OSError):
            path.unlink()


def _is_wanted(row: NodeRow, now_s: int, restored_s: int | None) -> bool:
    """Whether the node may need another token. Without a restore, one that somebody else has for it stays good."""
    if restored_s is not None:
        return row.enrolled_s is None or row.enrolled_s <= restored_s
    return row.enrolled_s is None and not row.may_enrol(now_s)


def _is_taken(session: Session, key: bytes, path: Path, now_s: int) -> bool:
    """Whether the file holds a token with which a node may enrol."""
    try:
        # Without waiting: the resolver's user may have put something else there.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            token = file.read(MAX_LENGTH).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return False
    return isinstance(authenticate_enrolment(session, key, token, now_s), NodeRow)
