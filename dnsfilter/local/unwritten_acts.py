"""Local suspensions that the disk does not take: on tmpfs, until the node can write them to its own directory.

The directory /dev/shm/dnsfilter-node-DEVICE-INODE of the node's directory has the same two files, its journal and its
suspensions. While its suspensions exist, they are those of the node. A restart of the machine forgets them.
"""

import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import JOURNAL_NAME, Entry, Journal
from dnsfilter.local.private_files import DIRECTORY_MODE, replace_private, writing
from dnsfilter.telemetry import logs

SUSPENSIONS = "suspensions.json"
SHARED_MEMORY = Path("/dev/shm")
LOOK_S, RETRY_S = 1.0, 5.0
"""Seconds between two looks for acts in memory, and between two tries to write them."""
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_LOG = logging.getLogger("dnsfilter.node")


def is_of_disk(error: UnavailableError) -> bool:
    """Return whether the disk did not take a write: it is full, over quota, read-only or broken."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _DISK_ERRORS


class UnwrittenActs:
    """The directory in memory that belongs to a node's own directory."""

    def __init__(self, node_dir: Path) -> None:
        """Initialize. Raise UnavailableError if the node's directory cannot be read."""
        try:
            found = node_dir.stat()
        except OSError as error:
            raise UnavailableError(f"read {node_dir}: {error.strerror or error}") from error
        self._node_dir, self._owner = node_dir, found.st_uid
        self.directory = SHARED_MEMORY / f"dnsfilter-node-{found.st_dev}-{found.st_ino}"

    @property
    def suspensions(self) -> Path:
        """Return the path of the suspensions in memory."""
        return self.directory / SUSPENSIONS

    def is_there(self) -> bool:
        """Return whether there are suspensions in memory. Ignore a directory that another user has made."""
        try:
            found = self.directory.lstat()
        except OSError:
            return False
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == self._owner and not found.st_mode & 0o077
        return is_own and self.suspensions.exists()

    def journal(self) -> Journal:
        """Return the journal of acts that are in memory only. Make its directory for the current user."""
        try:
            self.directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            found = self.directory.lstat()
        except OSError as error:
            raise UnavailableError(f"make directory {self.directory}: {error.strerror or error}") from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise UnavailableError(f"use {self.directory}: another user has made it: remove it")
        return Journal(self.directory / JOURNAL_NAME)

    def write_back(self) -> int:
        """Write acts and suspensions to the node's directory, then forget them. Return the number of acts.

        Raise UnavailableError if the disk still does not take them.
        """
        kept = self._node_dir / SUSPENSIONS
        with writing(f"write {self.suspensions}", self.suspensions.with_suffix(".lock")):
            memory, disk = self.journal(), Journal(self._node_dir / JOURNAL_NAME)
            acts = memory.entries()
            written = {_content(entry) for entry in disk.entries()}  # an earlier try may have ended in between
            for entry in acts:
                if _content(entry) not in written:
                    disk.add(
                        entry.time,
                        entry.uid,
                        entry.act,
                        entry.reason,
                        authority=entry.authority,
                        until=entry.until,
                        revision=entry.revision,
                    )
            with writing(f"write {kept}", kept.with_suffix(".lock")):
                replace_private(kept, self.suspensions.read_bytes())
            self.suspensions.unlink()
            (self.directory / JOURNAL_NAME).unlink(missing_ok=True)
        return len(acts)


class WriteBack:
    """Writes acts in memory to the disk as soon as it takes them, for the supervisor."""

    def __init__(self, node_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._node_dir = node_dir
        self._clock = clock
        self._due_s = 0.0
        self.reason: str | None = None
        """The reason why acts are in memory only. None if there are none."""

    def look(self) -> None:
        """Look for acts in memory every LOOK_S seconds. Try to write them every RETRY_S seconds."""
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOOK_S
        tried = False
        try:
            unwritten = UnwrittenActs(self._node_dir)
            if not unwritten.is_there():
                self.reason = None
                return
            self._due_s, tried = now_s + RETRY_S, True
            written = unwritten.write_back()
        except (UnavailableError, OSError) as error:
            if self.reason is None and tried:
                logs.emit(_LOG, logging.ERROR, "local acts are only in memory", reason=error)
            self.reason = str(error) if tried else None
            return
        self.reason = None
        logs.emit(_LOG, logging.INFO, "local acts are on disk now", acts=written)


def _content(entry: Entry) -> tuple[object, ...]:
    return entry.time, entry.uid, entry.act, entry.authority, entry.until, entry.revision, entry.reason
