"""Load the API's certificate, and reload it when its files change. Connections stay open."""

import logging
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from api.jobs import Job
from api.tls.pem import expiry_s, make_context
from dnsfilter.telemetry.logs import emit

CHECK_INTERVAL_S = 5.0
"""Seconds between checks of the files."""
STOP_S = 1.0

log = logging.getLogger("dnsfilter.api")

_Marks: TypeAlias = tuple[tuple[int, int, int] | None, ...]


def exposure_warning(key: Path) -> str | None:
    """Return a warning if others than the owner may write the key, or others than its group may read it, else None."""
    mode = key.stat().st_mode
    if not mode & (stat.S_IWGRP | stat.S_IRWXO):
        return None
    return f"the key's file is open to others (mode {stat.S_IMODE(mode):04o}): chmod 640"


class Certificate:
    """A certificate in use. Once started, a thread reloads it when its files have changed.

    `context` is for the server: each handshake uses the certificate that was loaded last. Raise ValueError as
    `make_context` does. `expires_s` is when the certificate that was loaded last expires; None if that is unreadable.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._marks = self._look()
        self._current = make_context(certificate, key)
        self.expires_s = expiry_s(certificate)
        # Each state of the files gets its own context. In a shared one, a broken key would leave the new certificate
        # without a key.
        self.context = make_context(certificate, key)
        self.context.sni_callback = self._choose
        self._is_asked = False
        self._job = Job("certificate", self._watch, every_s=CHECK_INTERVAL_S)

    def start(self) -> None:
        """Start checking the files."""
        self._job.start()

    def check_soon(self) -> None:
        """Check the files now. A signal handler may call this."""
        self._is_asked = True
        self._job.wake()

    def stop(self) -> None:
        """Stop checking the files. Do not wait longer than STOP_S for a disk that does not answer."""
        self._job.stop(STOP_S)

    def reload(self, *, asked: bool = False) -> bool:
        """Load the pair if its files have changed, or if `asked`. Keep the old pair if the new one is broken.

        Return whether a new pair was loaded.
        """
        marks = self._look()
        if marks == self._marks and not asked:
            return False
        self._marks = marks
        certificate, key = self._files
        try:
            self._current = make_context(certificate, key)
        except ValueError as error:
            emit(log, logging.ERROR, "new certificate not loaded, the old one stays in use", reason=error)
            return False
        self.expires_s = expiry_s(certificate)
        emit(log, logging.INFO, "certificate loaded", path=certificate)
        warn_if_exposed(key)
        return True

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _watch(self) -> None:
        asked, self._is_asked = self._is_asked, False
        self.reload(asked=asked)

    def _look(self) -> _Marks:
        return tuple(_mark(path) for path in self._files)


def warn_if_exposed(key: Path) -> None:
    """Log a warning if others can access the key."""
    with suppress(OSError):
        if warning := exposure_warning(key):
            emit(log, logging.WARNING, warning, path=key)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return values that change when a file is written or replaced. Return None without a file. Follow links."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
