"""The API's certificate: loaded, checked, and taken anew when its files change, without a connection lost."""

import logging
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from api.jobs import Job
from api.tls.pem import make_context
from dnsfilter.telemetry.logs import emit

LOOK_S = 5.0
"""How often the files are looked at."""

log = logging.getLogger("dnsfilter.api")

_Marks: TypeAlias = tuple[tuple[int, int, int] | None, ...]


def exposed(key: Path) -> str | None:
    """What is to be said of a key that is not its owner's and, to read, its group's alone; None of one that is."""
    mode = key.stat().st_mode
    if not mode & (stat.S_IWGRP | stat.S_IRWXO):
        return None
    return f"the key's file is open to others (mode {stat.S_IMODE(mode):04o}): chmod 640"


class Certificate:
    """A certificate in use, also a thread, once started, that takes it anew when its files have changed.

    `context` is for the server; a handshake gets whatever was last loaded. Raises ValueError as `make_context`.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._marks = self._look()
        self._current = make_context(certificate, key)
        # A pair of its own for each state of the files: loaded into one context, a broken key would leave the new
        # certificate without any.
        self.context = make_context(certificate, key)
        self.context.sni_callback = self._choose
        self._is_asked = False
        self._job = Job("certificate", self._watch, every_s=LOOK_S)

    def start(self) -> None:
        """Begin to look at the files."""
        self._job.start()

    def look_soon(self) -> None:
        """Have the files looked at now; may be called from a signal's handler."""
        self._is_asked = True
        self._job.wake()

    def stop(self) -> None:
        """Look no longer."""
        self._job.stop()

    def renew(self, *, asked: bool = False) -> bool:
        """Take the pair if its files have changed, or if it is asked for; whether it did. One that is broken is not."""
        marks = self._look()
        if marks == self._marks and not asked:
            return False
        self._marks = marks
        certificate, key = self._files
        try:
            self._current = make_context(certificate, key)
        except ValueError as error:
            emit(log, logging.ERROR, "new certificate not taken, the old one stays", reason=error)
            return False
        emit(log, logging.INFO, "certificate loaded", path=certificate)
        warn_if_exposed(key)
        return True

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _watch(self) -> None:
        asked, self._is_asked = self._is_asked, False
        self.renew(asked=asked)

    def _look(self) -> _Marks:
        return tuple(_mark(path) for path in self._files)


def warn_if_exposed(key: Path) -> None:
    """Log that the key is open to others, if it is."""
    with suppress(OSError):
        if warning := exposed(key):
            emit(log, logging.WARNING, warning, path=key)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None where there is none. Links are followed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
