"""Enrol the node on the control plane's own machine: with a one-time token in a file that it can read."""

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
"""Readable by the group of the state directory, which is the group of the resolver."""

log = logging.getLogger("dnsfilter.api")


def invite(database: Database, key: bytes, path: Path, now_s: int) -> None:
    """Register this machine's node if necessary, and write a one-time token for it. Raise Conflict and OSError.

    The current token of the node stays valid until it uses the one-time token.
    """
    with database.writing() as session:
        unit = UnitOfWork(session, LOCAL, now_s)
        row = repository.find(session, NAME)
        if row is None or row.removed_s is not None:
            _, fresh = service.register(unit, key, NAME, DEFAULT_SITE)
        else:
            fresh = service.invite(unit, key, row)
        write_secret(path, fresh.text.encode() + b"\n", mode=MODE)


def maintain_enrolment_file(database: Database, key: bytes, path: Path, now_s: int, restored_s: int | None) -> None:
    """Renew the token in the file if it expired before the node used it. Remove a useless one.

    Write one if the database was restored at `restored_s` and the node has not enrolled since: the database may lack
    the node's token. Log errors.
    """
    try:
        with database.reading() as session:
            row = repository.find(session, NAME)
            needed = row is not None and row.removed_s is None and _is_needed(row, now_s, restored_s)
            if _is_valid(session, key, path, now_s):
                return
        if path.exists() and not needed:
            path.unlink()
        elif needed and (restored_s is not None or path.exists()):
            invite(database, key, path, now_s)
            emit(log, logging.INFO, "wrote a one-time token for the node of this machine", path=path)
    except OSError as error:
        emit(
            log,
            logging.ERROR,
            "cannot write a one-time token for the node of this machine",
            path=path,
            reason=error.strerror,
        )


def remove_used(name: str, path: Path) -> None:
    """Remove the file once the node `name` has enrolled, if it is the node of this machine."""
    if name == NAME:
        with suppress(OSError):
            path.unlink()


def _is_needed(row: NodeRow, now_s: int, restored_s: int | None) -> bool:
    """Return whether the node needs another token. Without a restore, a valid one-time token elsewhere suffices."""
    if restored_s is not None:
        return row.enrolled_s is None or row.enrolled_s <= restored_s
    return row.enrolled_s is None and not row.may_enrol(now_s)


def _is_valid(session: Session, key: bytes, path: Path, now_s: int) -> bool:
    """Return whether the file holds a token with which a node can enrol."""
    try:
        # Non-blocking: the user of the resolver may have put something else there.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            token = file.read(MAX_LENGTH).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return False
    return isinstance(authenticate_enrolment(session, key, token, now_s), NodeRow)
