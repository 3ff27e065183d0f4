"""When the database accepts no act: `Unusable`, and a full disk.

`Unusable` is also an SQLAlchemyError. In `api.errors`, it would make `dnsfilterctl` import SQLAlchemy.
"""

import errno
import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from api.errors import ApiError

DISK_FULL = "the disk of the database is full: free some space on it"
ACT_BYTES = 256 * 1024
"""More than what an act writes: its pages in SQLite's log, and the rules of the next snapshot."""
_SQLSTATE = "53100"
"""disk_full of PostgreSQL."""


class Unusable(ApiError, SQLAlchemyError):
    """No act can be recorded, but the database can be read. The message says why and what to do."""


def is_disk_full(error: Exception) -> bool:
    """Return whether the database reports a full disk."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _SQLSTATE


def try_space(directory: Path) -> None:
    """Write as much as an act, and remove it. Raise OSError if the disk does not take it."""
    with TemporaryFile(dir=directory) as file:
        file.write(bytes(ACT_BYTES))
        file.flush()
        os.fsync(file.fileno())
