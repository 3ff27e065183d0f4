"""Allow one control plane at a time on a database. On PostgreSQL a second one waits; on SQLite it is refused.

The memory of one process holds waiting nodes, sent mail and the state of nodes, so two processes would disagree.
On PostgreSQL, the turn is an advisory lock of a separate connection. It ends with the process, and with its machine.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.jobs import Job
from dnsfilter.telemetry.logs import emit
from dnsfilter.telemetry.notify import notify

LOOK_S = 0.5
_LOCK = 0x646E7366696C7465
"""The number of the advisory lock."""
_SERVER_KEEPALIVES = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""With these, the server notices a machine without power within half a minute, not after hours."""
_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds until unacknowledged data ends the connection. Keepalives are not sent then.
    "tcp_user_timeout": 25_000,
}
STOP_S = 5.0
"""Seconds that stopping waits for an unresponsive server. The turn ends with the process anyway."""

log = logging.getLogger("dnsfilter.api")


class Turn:
    """The exclusive turn of this process on the database at `url`. `watch` starts a thread; `take` does not need it."""

    def __init__(self, url: str) -> None:
        # Errors are logged, but parameters must not be.
        self._engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=_CONNECT
        )
        self._held: Connection | None = None
        self._lost = False
        self._job = Job("turn", self.look, every_s=LOOK_S)
        self._end: Callable[[], None] = lambda: None

    @property
    def lost(self) -> bool:
        """Return whether another process took the turn from this one."""
        return self._lost

    def take(self) -> bool:
        """Take or keep the turn, and return whether this process has it. Raise SQLAlchemyError if that is unknown."""
        if self._held is not None:
            try:
                self._held.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self._drop()
                raise
            return True
        connection = self._engine.connect()
        try:
            for name, value in _SERVER_KEEPALIVES.items():
                connection.execute(text(f"SET {name} = {value}"))
            if connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK}):
                self._held = connection
        finally:
            if self._held is None:
                connection.close()
        return self._held is not None

    def wait(self) -> None:
        """Wait until this process has the turn. Raise SQLAlchemyError."""
        if self.take():
            return
        emit(log, logging.INFO, "another control plane has the database, waiting until it ends")
        # A standby may wait for days. Report ready, so that its start does not time out.
        notify("READY=1", "STATUS=another control plane has the database, waiting until it ends")
        while not self._job.pause(LOOK_S):
            if self.take():
                emit(log, logging.INFO, "the other control plane has ended")
                notify("STATUS=the other control plane has ended, starting")
                return

    def watch(self, end: Callable[[], None]) -> None:
        """Check periodically whether this process still has the turn. Call `end` if another process has taken it."""
        self._end = end
        self._job.start()

    def close(self) -> None:
        """Release the turn."""
        if self._job.stop(STOP_S):
            self._drop()
            self._engine.dispose()

    def look(self) -> bool:
        """Return whether no other process has the turn. A restarted server has lost the lock: take it again."""
        try:
            self._lost = not self.take()
        except SQLAlchemyError:
            # Nobody can act on an unreachable database, and acts report that.
            return True
        if self._lost:
            emit(log, logging.ERROR, "another control plane took the database while it was unreachable, ending")
            self._job.end()
            self._end()
        return not self._lost

    def _drop(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            held.invalidate()
            held.close()


class Busy(Exception):
    """Another control plane uses the database. The message says which process."""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the lock of an SQLite database. Raise Busy and OSError.

    The lock is on a separate file: closing the database's file would end SQLite's locks. The kernel releases it when
    the process ends for any reason. All links to the database share the lock.
    """
    real = database.resolve()
    lock = real.with_name(f"{real.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            raise Busy(f"process {holder} uses the database {database}") from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def turn_on(url: str) -> Turn | None:
    """Return the turn on a PostgreSQL database, which several machines can reach, or None for an SQLite file."""
    return Turn(url) if make_url(url).get_backend_name() == "postgresql" else None
