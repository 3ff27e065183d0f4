"""Bearer tokens: made once, shown once, stored as SHA-256.

A fast hash is enough: a token is 256 random bits, so that there is nothing to guess.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from sqlalchemy import select

from api.db.models import TokenRow
from api.db.session import Database

PREFIX = "dnsf_"
ADMINISTRATOR = "administrator"
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
    """Make a new administrator's token; the old one, if there is one, is no longer known.

    The file is readable by its owner only, from the moment it exists.
    """
    token = new_token()
    with database.writing() as session:
        session.merge(TokenRow(name=ADMINISTRATOR, digest=digest(token), created_s=now_s))
        session.flush()
        _write_secret(path, token)


def _write_secret(path: Path, token: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
