"""Fetch the last checkpoint of each peer when it is due, and keep it if it continues the held ones.

One register after the other is fetched, within the bounds of `api.feeds.fetching`. After any failure the held
checkpoints stay.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from api.chain.checkpoint import Checkpoint, parse_checkpoint
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.feeds.failures import Failure, FetchError
from api.feeds.fetching import NETWORKS_SETTING, Fetcher, Validators
from api.jobs import Job
from api.peers import repository, service
from api.peers.schemas import PeerState
from api.peers.state import EVERY_S, pause_s, peer_state
from dnsfilter.telemetry.logs import emit

LOOK_S = 10.0
AT_ONCE = 10
"""Peers that one look fetches."""
MAX_REGISTER = 4 * 1024 * 1024
"""The most bytes of a register: a thousand bans take some 2 MB."""
REASONS: Mapping[Failure, str] = {
    Failure.CERTIFICATE: "its certificate is not valid: if its CA is your own, add it to the machine's CAs",
    Failure.CONNECTION: "the connection failed: check the URL, and firewalls on the way",
    Failure.PRIVATE_ADDRESS: f"it has a private address: name its network in {NETWORKS_SETTING}",
    Failure.REDIRECT: "it redirects: give the URL of the register itself",
    Failure.SIZE: f"the register has more than {MAX_REGISTER} bytes",
    Failure.STATUS: "it does not answer with a register: check the URL in a browser",
    Failure.TIMEOUT: "it did not send the register in time",
}
DAMAGED = "what it sent cannot be read"
NO_REGISTER = "the content is not a register as JSON: give a URL such as https://HOST/v1/register/AUTHORITY"
NO_CHECKPOINT = "the register has no checkpoint yet"

log = logging.getLogger("dnsfilter.api")


class NotRead(Exception):
    """Raised when a register has no checkpoint that can be read. The message says why."""


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """How a peer does: the age of its last good fetch, or of the peer before the first, and whether it is broken."""

    name: str
    good_age_s: int
    is_broken: bool


class PeerJob:
    """Fetches for the peers of one database. `start` starts a thread that calls `round`; tests call `round`."""

    def __init__(self, database: Database, fetcher: Fetcher, clock: Callable[[], float]) -> None:
        self._database = database
        self._fetcher = fetcher
        self._clock = clock
        self._job = Job("peers", self.round, every_s=LOOK_S)

    def start(self) -> None:
        """Start fetching in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop after the fetch that is under way."""
        self._job.stop()

    def figures(self) -> Sequence[PeerFigures]:
        """Return how each peer does that has not ended. Raise SQLAlchemyError."""
        now_s = int(self._clock())
        with self._database.reading() as session:
            return [
                PeerFigures(
                    row.name,
                    max(0, now_s - (row.made_s if row.good_s is None else row.good_s)),
                    peer_state(row) is PeerState.BROKEN,
                )
                for row in repository.peers(session)
                if row.ended_s is None
            ]

    def round(self) -> None:
        """Fetch the peers that are due."""
        try:
            for name, url in self._claim():
                if self._job.is_stopping:
                    return
                self._look_at(name, url)
        except SQLAlchemyError as error:
            emit(log, logging.ERROR, "peers not fetched, retrying", error=type(error).__name__)

    def _claim(self) -> list[tuple[str, str]]:
        """Return the peers to fetch now, and store that the next fetch of each is later."""
        now_s = int(self._clock())
        with self._database.reading() as session:
            if not repository.due(session, now_s, 1):
                return []
        with self._database.writing() as session:
            rows = repository.due(session, now_s, AT_ONCE)
            for row in rows:
                row.next_s = now_s + EVERY_S
            return [(row.name, row.url) for row in rows]

    def _look_at(self, name: str, url: str) -> None:
        try:
            found = self._fetched(url)
        except NotRead as error:
            self._note(name, url, str(error))
            return
        with self._database.writing() as session:
            row = repository.still(session, name, url)
            if row is None:
                return
            unit = UnitOfWork(session, LOCAL, int(self._clock()))
            before = row.broken
            service.hold(unit, row, found)
            row.fetched_s = row.good_s = unit.now_s
            row.failures, row.failure = 0, ""
            if row.broken != before:
                emit(log, logging.ERROR, "a peer's checkpoint does not continue the held ones", installation=name)

    def _fetched(self, url: str) -> Checkpoint:
        """Return the checkpoint of a register. Raise NotRead."""
        try:
            fetched = self._fetcher.fetch(url, Validators())
        except FetchError as error:
            reason = REASONS.get(error.failure, DAMAGED)
            raise NotRead(f"{urlsplit(url).hostname}: {reason}") from error
        if fetched is None:
            raise NotRead(DAMAGED)
        return read_register(fetched.content)

    def _note(self, name: str, url: str, reason: str) -> None:
        with self._database.writing() as session:
            row = repository.still(session, name, url)
            if row is None:
                return
            row.fetched_s = int(self._clock())
            row.failures, row.failure = row.failures + 1, reason[:200]
            row.next_s = row.fetched_s + pause_s(row.failures)
            if row.failures == 1:
                emit(log, logging.WARNING, "peer not fetched, retrying", installation=name, reason=reason)


def read_register(content: bytes) -> Checkpoint:
    """Return the checkpoint in a register as JSON. Raise NotRead."""
    try:
        register: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise NotRead(NO_REGISTER) from None
    if not isinstance(register, dict) or "checkpoint" not in register:
        raise NotRead(NO_REGISTER)
    if register["checkpoint"] is None:
        raise NotRead(NO_CHECKPOINT)
    try:
        return parse_checkpoint(json.dumps(register["checkpoint"]).encode())
    except (ValueError, RecursionError) as error:
        raise NotRead(f"its checkpoint cannot be read: {error}") from error
