"""Record which snapshot came into force when: in order, and without delaying acts.

A publication is noted in memory. A thread stores it soon after, or `store_in_force` does. Readers of the past call it
first. If the process is killed in between, its last snapshot remains in the store, and its manifest says when it was
made: the next start records it.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db.models import CatalogueRow, ListRow, PublicationRow
from api.db.session import Database
from api.jobs import Job
from api.publish.recompiled import is_ours
from api.publish.service_lists import CatalogueDigest, ServiceList, digest_of, list_of
from dnsfilter import __version__
from dnsfilter.policy.model import Instant, Service
from dnsfilter.snapshot.manifest import Manifest
from dnsfilter.telemetry.logs import emit

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class _Noted:
    """A snapshot that came into force, with its digests in hexadecimal."""

    revision: int
    names: str
    ranges: str
    rules: str
    made_s: Instant
    time_s: Instant

    def is_in(self, row: PublicationRow, catalogue: str) -> bool:
        """Return whether the row records the same snapshot."""
        files = (row.revision, row.names, row.ranges, row.rules)
        ours = (self.revision, self.names, self.ranges, self.rules)
        return files == ours and (row.catalogue, row.version) == (catalogue, __version__)


class Recorder:
    """Record the snapshots that came into force, and the lists of the catalogue, each once."""

    def __init__(self, database: Database, services: Mapping[str, Service]) -> None:
        self._database = database
        self._services = services
        self._noted: deque[_Noted] = deque()
        # Serialised and hashed only once: a million names take seconds.
        self._catalogue: CatalogueDigest | None = None
        self._unstored: tuple[ServiceList, ...] = ()
        self._turn = threading.Lock()
        self._job = Job("record", self.store_in_force, retry_s=(FIRST_RETRY_S, LAST_RETRY_S))

    @property
    def catalogue(self) -> CatalogueDigest:
        """The digests of the services' lists."""
        found = self._catalogue
        if found is None:
            lists = tuple(map(list_of, self._services.values()))
            found = self._catalogue = digest_of(lists)
            self._unstored = lists
        return found

    def note(self, manifest: Manifest, time_s: Instant) -> None:
        """Note that a snapshot is in force since `time_s`. It is stored soon."""
        names, ranges, rules = (part.digest.hex() for part in (manifest.names, manifest.ranges, manifest.rules))
        self._noted.append(_Noted(manifest.revision, names, ranges, rules, manifest.made_s, time_s))
        self._job.wake()

    def note_stored(self, manifest: Manifest, names: bytes) -> None:
        """Note a snapshot found in the store, as in force since it was made. `names` is the digest of our names.

        Ignore one made by acts that the database lacks, or with other names: its policy is not kept.
        """
        with self._database.reading() as session:
            last = _last(session)
            if (
                (last is None or manifest.revision > last.revision)
                and manifest.names.digest == names
                and is_ours(session, manifest, self._services)
            ):
                self.note(manifest, manifest.made_s)

    def store_in_force(self) -> bool:
        """Store the noted snapshots. Return whether nothing is left. Do not call this inside a writing transaction."""
        with self._turn:
            batch = tuple(self._noted)
            if not batch:
                return True
            catalogue = self.catalogue
            try:
                with self._database.writing() as session:
                    self._write(session, catalogue, batch)
            except SQLAlchemyError as error:
                emit(log, logging.ERROR, "publications not recorded, retrying", error=type(error).__name__)
                self._job.wake()
                return False
            self._unstored = ()
            for _ in batch:
                self._noted.popleft()
            return True

    def start(self) -> None:
        """Start storing in the background."""
        self._job.start()

    def stop(self) -> None:
        """Stop the thread and store what is left."""
        self._job.stop()
        self._job.attempt(self.store_in_force)

    def _write(self, session: Session, catalogue: CatalogueDigest, batch: tuple[_Noted, ...]) -> None:
        if self._unstored:
            known = set(session.scalars(select(ListRow.digest)))
            session.add_all(
                ListRow(digest=entry.digest, service=entry.service, body=entry.body)
                for entry in self._unstored
                if entry.digest not in known
            )
            if session.get(CatalogueRow, catalogue.digest) is None:
                session.add(CatalogueRow(digest=catalogue.digest, lists=dict(catalogue.lists)))
        last = _last(session)
        for noted in batch:
            if last is not None and noted.is_in(last, catalogue.digest):
                continue
            last = PublicationRow(
                revision=noted.revision,
                time_s=noted.time_s,
                made_s=noted.made_s,
                names=noted.names,
                ranges=noted.ranges,
                rules=noted.rules,
                version=__version__,
                catalogue=catalogue.digest,
            )
            session.add(last)
            session.flush()


def _last(session: Session) -> PublicationRow | None:
    return session.scalar(select(PublicationRow).order_by(PublicationRow.id.desc()).limit(1))
