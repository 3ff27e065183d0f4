"""When the last backup was made that this installation sent completely: a file in its state directory.

A restored installation starts without it: a backup of its own was never made.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from api.files import write_secret
from api.timestamps import stored_instant, timestamp_text
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.logs import emit

log = logging.getLogger("dnsfilter.api")


def note_backup(path: Path, made_s: Instant) -> None:
    """Record that a backup made at that instant was sent. A failure is only logged: the backup is good."""
    try:
        write_secret(path, f"{timestamp_text(made_s)}\n".encode())
    except OSError as error:
        emit(log, logging.WARNING, "time of the backup not recorded", path=path, error=error.strerror)


def backup_age_s(path: Path, clock: Callable[[], float]) -> int | None:
    """Return the age of the last backup; None if there was none, or if the file is unreadable."""
    try:
        return max(0, int(clock()) - stored_instant(path.read_text(encoding="utf-8").strip()))
    except (OSError, ValueError):
        return None
