"""Whether the database cannot write because its disk is full."""

import errno
import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy.exc import DBAPIError

DISK_FULL = "the disk of the database is full: free some space on it"
ACT_BYTES = 256 * 1024
"""More than what an act writes: its pages in SQLite's log, and the rules of the next snapshot."""
_SQLSTATE = "53100"
"""disk_full of PostgreSQL."""


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
