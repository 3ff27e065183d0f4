"""Bearer tokens: made once, shown once, stored as SHA-256.

A fast hash is enough: a token is 256 random bits, so that there is nothing to guess.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, InstallationRow, TokenRow
from api.db.models.record import INSTALLATION
from api.db.session import Database
from api.moments import moment_text

PREFIX = "dnsf_"
ADMINISTRATOR = "administrator"
ACTOR = "installation"
"""Who replaces a token: whoever may write to the installation's files, whom no token names."""
MAX_LENGTH = 200


def new_token() -> str:
    """A token of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def holder(database: Database, token: str) -> str | None:
    """The name under which `token` is stored, or None; compares in constant time."""
    if not token.startswith(PREFIX) or len(token) > MAX_LENGTH:
        return None
    presented = digest(token)
    with database.reading() as session:
        stored = session.execute(select(TokenRow.name, TokenRow.digest)).all()
    found = None
    for name, known in stored:
        if hmac.compare_digest(presented, known):
            found = name
    return found


def make_first_token(database: Database, path: Path, now_s: int) -> bool:
    """Make the administrator's token if the database knows none; True if one was made.

    Its file may be moved away afterwards: a token that is known is never made again by itself.
    """
    with database.reading() as session:
        if session.get(TokenRow, ADMINISTRATOR) is not None:
            return False
    replace_token(database, path, now_s)
    return True


def replace_token(database: Database, path: Path, now_s: int) -> None:
    """Make a new administrator's token; the old one, if there is one, is no longer known, and the audit says so.

    The act changes no policy, so that it makes no revision: it stands under the one that is in force. The file is
    readable by its owner only, from the moment it exists.
    """
    token = new_token()
    with database.writing() as session:
        known = session.get(TokenRow, ADMINISTRATOR)
        if known is not None:
            session.add(_replacement(session, known.created_s, now_s))
        session.merge(TokenRow(name=ADMINISTRATOR, digest=digest(token), created_s=now_s))
        session.flush()
        _write_secret(path, token)


def _replacement(session: Session, created_s: int, now_s: int) -> AuditRow:
    """The act on the token, without anything that was made of it."""
    return AuditRow(
        time_s=now_s,
        actor=ACTOR,
        act="token.replace",
        object=f"token/{ADMINISTRATOR}",
        before={"created": moment_text(created_s)},
        after={"created": moment_text(now_s)},
        revision=session.get_one(InstallationRow, INSTALLATION).revision,
    )


def _write_secret(path: Path, token: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
