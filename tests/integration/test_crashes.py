"""The control plane is killed at random times while acts arrive. Answered acts remain. The audit log is consistent."""

import random
import shutil
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from api.chain.entry_hash import GENESIS, entry_hash
from api.db.models import AuditRow, InstallationRow
from api.db.session import Database
from api.db.unit_of_work import entry_of
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.forked_programs import Forked
from tests.support.forked_programs import start as start_fork
from tests.support.long_runs import drawn_seed, say
from tests.support.many_authorities import SERVICE, body_of, policy_text
from tests.support.nodes import eventually
from tests.support.ports import free_port

KILLS = 100
AUTHORITIES, WRITERS = 10, 4
MODES = ("off", "monitor", "enforce")
LOAD_S = 0.25
"""The longest time between the first answered act and a kill, in seconds."""
START_S = 0.4
"""One kill in five comes while the control plane starts, at most this many seconds after the start."""
SAID_EVERY = 5

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone")]


@dataclass(frozen=True)
class Act:
    """An act that got a successful answer."""

    request: str
    revision: int


@dataclass
class Trail:
    """The verified part of the audit log, which only grows."""

    seq: int = 0
    hash: str = GENESIS
    requests: set[str] = field(default_factory=set)
    revision: int = 0

    def follow(self, url: str) -> None:
        """Verify the new entries, and that the database is intact."""
        database = Database(url)
        try:
            with database.reading() as session:
                assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
                assert session.connection().exec_driver_sql("PRAGMA foreign_key_check").all() == []
                revision = session.scalars(select(InstallationRow.revision)).one()
                for row in session.scalars(select(AuditRow).where(AuditRow.seq > self.seq).order_by(AuditRow.seq)):
                    entry = entry_of(row)
                    assert (row.seq, row.previous) == (self.seq + 1, self.hash)
                    assert row.hash == entry_hash(entry)
                    assert row.revision <= revision
                    self.seq, self.hash = row.seq, row.hash
                    self.requests.add(row.request)
        finally:
            database.close()
        assert revision >= self.revision
        self.revision = revision


class Plane:
    """A control plane that is killed and started again, always with the same state."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.state = directory / "state"
        self.log = directory / "api.log"
        policy = directory / "policy.toml"
        policy.write_text(policy_text(AUTHORITIES))
        self.url = f"http://127.0.0.1:{free_port()}"
        self._command = [
            *("dnsfilter-api", "--create", "--state-dir", str(self.state), "--init-policy", str(policy)),
            *("--listen", self.url.removeprefix("http://"), "--metrics-listen", "127.0.0.1:0"),
        ]
        self._process: Forked | None = None

    def start(self) -> None:
        self._process = start_fork(self._command, self.log, self._directory)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        assert self._process.wait(20) == -signal.SIGKILL, self.log.read_text()

    def wait(self) -> dict[str, int]:
        """Wait until it is ready. Return the content of its readiness page."""
        reported: dict[str, int] = {}

        def ready() -> bool:
            try:
                reported.update(httpx.get(f"{self.url}/readyz", timeout=5).json())
            except httpx.TransportError:
                return False
            return bool(reported["ready"])

        assert eventually(ready), self.log.read_text()
        return reported

    def token(self) -> str:
        return (self.state / "admin-token").read_text().strip()

    def copied(self, directory: Path) -> str:
        """Return the URL of a copy of the database. Opening the original would repair what the next start must find."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for path in self.state.glob("dnsfilter.sqlite3*"):
            shutil.copy(path, directory)
        # This file is only an index of the log. The first process that opens the database creates it again.
        (directory / "dnsfilter.sqlite3-shm").unlink(missing_ok=True)
        return f"sqlite:///{directory}/dnsfilter.sqlite3"


class Load:
    """Writers that act until they get no more answers."""

    def __init__(self, plane: Plane, seed: int) -> None:
        self.done: list[Act] = []
        self.faults: list[str] = []
        self._url, self._token = plane.url, plane.token()
        self._threads = [
            threading.Thread(target=self._act, args=(number, random.Random(f"{seed} {number}")))
            for number in range(WRITERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def answered(self) -> bool:
        return bool(self.done or self.faults)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _act(self, number: int, draw: random.Random) -> None:
        """Send acts that each change something. No other writer acts on this writer's authorities."""
        headers = {"Authorization": f"Bearer {self._token}"}
        authorities = range(number, AUTHORITIES, WRITERS)
        # httpx would load a list of certificate authorities for each client.
        plain = httpx.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        with (
            suppress(httpx.TransportError),
            httpx.Client(base_url=f"{self._url}/v1/", headers=headers, timeout=30, transport=plain) as client,
        ):
            while True:
                body = draw.choice(authorities)
                if draw.random() < 0.7:
                    path = f"authorities/{body_of(body)}/bans/{SERVICE}"
                    held = client.get(path).raise_for_status().json()["mode"]
                    answer = client.patch(path, json={"mode": draw.choice([mode for mode in MODES if mode != held])})
                else:
                    path = f"ranges/default/127.0.{100 + body}.0/24"
                    answer = client.patch(path, json={"label": f"offices {draw.randrange(2**32)}"})
                if answer.is_success:
                    self.done.append(Act(answer.headers["X-Request-ID"], answer.json()["revision"]))
                else:
                    self.faults.append(f"{answer.status_code} {answer.text}")


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    made = Plane(tmp_path)
    yield made
    made.kill()


def test_what_was_answered_outlives_a_kill_at_any_instant(plane: Plane, tmp_path: Path) -> None:
    draw = random.Random(drawn_seed())
    trail, answered = Trail(), set[str]()
    plane.start()
    plane.wait()
    token, key = plane.token(), (plane.state / "token-key").read_bytes()
    store = SnapshotStore(plane.state / "snapshots")
    for number in range(1, KILLS + 1):
        load = Load(plane, draw.randrange(2**32))
        load.start()
        assert eventually(load.answered)
        time.sleep(draw.uniform(0.0, LOAD_S))
        plane.kill()
        load.join()
        assert load.faults == []
        trail.follow(plane.copied(tmp_path / "copy"))
        answered |= {act.request for act in load.done}
        assert max((act.revision for act in load.done), default=0) <= trail.revision
        assert answered <= trail.requests
        assert (plane.token(), (plane.state / "token-key").read_bytes()) == (token, key)
        assert store.read_current().revision <= trail.revision
        plane.start()
        if draw.random() < 0.2:
            time.sleep(draw.uniform(0.0, START_S))
            plane.kill()
            trail.follow(plane.copied(tmp_path / "copy"))
            plane.start()
        reported = plane.wait()
        assert reported["revision"] == reported["published"] == store.read_current().revision >= trail.revision
        if number % SAID_EVERY == 0:
            say(f"{number} of {KILLS} kills, {len(answered)} acts answered, revision {reported['revision']}")
    assert len(answered) >= KILLS
