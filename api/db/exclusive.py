"""One control plane at a time on a database. On PostgreSQL another waits until that has ended, and takes its place.

On SQLite another is refused.

Who waits for news, which mail was sent and how nodes fare is in the memory of one process. The turn is an advisory lock
of a connection of its own: it ends with the process, and with its machine.
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
"""The lock's number in its database."""
_FOUND_GONE = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""So the server misses a machine without power within half a minute, and not after hours."""
_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # For what was sent and never acknowledged, where no keepalive is.
    "tcp_user_timeout": 25_000,
}
STOP_S = 5.0
"""How long an end waits for a server that says nothing: without this process the turn ends anyway."""

log = logging.getLogger("dnsfilter.api")


class Turn:
    """This process's turn on the database at `url`. Also a thread, once watching; `take` does without it."""

    def __init__(self, url: str) -> None:
        # Errors reach the log, and parameters are not to.
        self._engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=_CONNECT
        )
        self._held: Connection | None = None
        self._lost = False
        self._job = Job("turn", self.look, every_s=LOOK_S)
        self._end: Callable[[], None] = lambda: None

    @property
    def lost(self) -> bool:
        """Whether another process took it from this one."""
        return self._lost

    def take(self) -> bool:
        """Whether it is this process's turn, which it stays; raises SQLAlchemyError, and then it is not known."""
        if self._held is not None:
            try:
                self._held.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self._drop()
                raise
            return True
        connection = self._engine.connect()
        try:
            for name, value in _FOUND_GONE.items():
                connection.execute(text(f"SET {name} = {value}"))
            if connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK}):
                self._held = connection
        finally:
            if self._held is None:
                connection.close()
        return self._held is not None

    def wait(self) -> None:
        """Wait until it is this process's turn; raises SQLAlchemyError."""
        if self.take():
            return
        emit(log, logging.INFO, "another control plane has the database, waiting until it ends")
        # To wait is what a standby is for: for days, perhaps, in which no start should be pending or time out.
        notify("READY=1", "STATUS=another control plane has the database, waiting until it ends")
        while not self._job.pause(LOOK_S):
            if self.take():
                emit(log, logging.INFO, "the other control plane has ended")
                notify("STATUS=the other control plane has ended, starting")
                return

    def watch(self, end: Callable[[], None]) -> None:
        """Look from now on whether it still is this process's turn; `end` is called where another has taken it."""
        self._end = end
        self._job.start()

    def close(self) -> None:
        """Let another have the turn."""
        if self._job.stop(STOP_S):
            self._drop()
            self._engine.dispose()

    def look(self) -> bool:
        """Whether nobody has taken the turn. A server that was away has forgotten whose it was: it is taken again."""
        try:
            self._lost = not self.take()
        except SQLAlchemyError:
            # Nobody can act on a database that is away; acts tell of it.
            return True
        if self._lost:
            emit(log, logging.ERROR, "another control plane has taken the database while it was away, ending")
            self._job.end()
            self._end()
        return not self._lost

    def _drop(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            held.invalidate()
            held.close()


class Busy(Exception):
    """Another control plane uses the database; the message says which."""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the lock of an SQLite database; raises Busy and OSError.

    The lock is on a file of its own: closing the database's file would end SQLite's locks. The kernel releases it when
    the process ends, however that happens. Every link to the database leads to the same lock.
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
    """The turn on a database that several machines can reach; None for a file of SQLite."""
    return Turn(url) if make_url(url).get_backend_name() == "postgresql" else None
