"""A real PostgreSQL server for tests, reachable only through its own Unix socket."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from api.db.base import Base
from api.db.session import Database
from tests.support.components import component

USER = "dnsfilter"
START_S = 90
FILLED = ("installation", "sites", "versions")
"""The tables that have rows after the migrations."""
# Tests need no durability: a crash of the test machine may lose this data.
_HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB", "shared_buffers=32MB")

# As in offices: the collation follows a language, not the bytes.
_ORDER = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=nl-BE")


@dataclass(slots=True)
class Server:
    """A running server, whose socket is in `directory`."""

    directory: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _migrated: str | None = None

    def url(self, database: str) -> str:
        """Return the database URL that the control plane uses."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.directory}"

    def make(self) -> str:
        """Return the URL of a new, empty database."""
        name = f"made{next(self._numbers)}"
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return self.url(name)

    def fresh(self) -> str:
        """Return the URL of the shared database, in its state after the migrations. The first call migrates it.

        A separate database for each test would write a thousand files.
        """
        if self._migrated is None:
            self._migrated = self.make()
            database = Database(self._migrated)
            database.migrate()
            database.close()
            self._run("CREATE SCHEMA kept", *(f"CREATE TABLE kept.{table} AS TABLE {table}" for table in FILLED))
        else:
            # As a replica, the database runs no triggers, so that the audit log can be emptied. To delete a few rows is
            # faster than TRUNCATE, which makes new files.
            self._run(
                "SET session_replication_role = replica",
                *(f"DELETE FROM {table.name}" for table in Base.metadata.sorted_tables),
                "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences",
                *(f"INSERT INTO {table} TABLE kept.{table}" for table in FILLED),
            )
        return self._migrated

    def cut(self, url: str) -> None:
        """End every connection to a database, as a restart of the server would."""
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        with self._connected("postgres") as connection:
            connection.execute(ended.encode(), (make_url(url).database,))

    def _run(self, *statements: str) -> None:
        assert self._migrated is not None
        with self._connected(make_url(self._migrated).database or "") as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _connected(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(host=str(self.directory), user=USER, dbname=database, autocommit=True)


@contextmanager
def postgresql() -> Iterator[Server]:
    """Run a server in a new directory. As root, run it as `nobody`, since PostgreSQL refuses to run as root."""
    initdb, program = component("initdb"), component("postgres")
    user = "nobody" if os.geteuid() == 0 else None
    way_in = _way_in(initdb.path) if user is not None else []
    # Not in pytest's directory: only its owner may enter it, and the path of a socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        made = subprocess.run(
            [*way_in, initdb.path, "--auth=trust", "--no-sync", f"--username={USER}", *_ORDER, data],
            env=initdb.env, cwd=directory, **_as(user, way_in), capture_output=True, text=True,
        )  # fmt: skip
        assert made.returncode == 0, f"make a cluster of PostgreSQL: {made.stdout}{made.stderr}"
        options = [word for setting in _HASTE for word in ("-c", setting)]
        command = [
            *way_in,
            str(program.path),
            "-D",
            str(data),
            "-k",
            str(directory),
            "-c",
            "listen_addresses=",
            *options,
        ]
        with (
            (directory / "log").open("wb") as log,
            subprocess.Popen(
                command, env=program.env, cwd=directory, **_as(user, way_in), stdout=log, stderr=log
            ) as process,
        ):
            try:
                server = Server(directory)
                _wait_until_ready(server, process, directory / "log")
                yield server
            finally:
                # Unlike SIGTERM, SIGINT does not wait for clients to leave. The tests are over.
                process.send_signal(signal.SIGINT)
                process.wait(START_S)
    finally:
        shutil.rmtree(directory)


def _way_in(program: Path) -> list[str]:
    """Return the words to put before a program that `nobody` is to run. Return none if `nobody` can reach the program.

    A checkout in root's home is out of reach. Then setpriv runs the program as `nobody`, with the one capability to
    enter every directory.
    """
    if all(parent.stat().st_mode & 0o001 for parent in program.parents):
        return []
    # With the secure bit, access(2) also honours the capability. initdb uses it to find its own program.
    return [
        *("setpriv", "--reuid=nobody", "--clear-groups", "--securebits=+no_setuid_fixup"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    ]


def _as(user: str | None, way_in: list[str]) -> dict[str, Any]:
    """Return arguments of `subprocess` that run a program as the user, unless `way_in` already does."""
    return {} if user is None or way_in else {"user": user, "extra_groups": []}


def _wait_until_ready(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(host=str(server.directory), user=USER, dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"start PostgreSQL: {log.read_text()[-2000:]}")
