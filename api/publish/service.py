"""Publish committed policies as snapshots: one at a time, never an older one after a newer one, with retries."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import SQLAlchemyError

from api.chain.checkpoint import public_text
from api.db.models import BanRow
from api.db.session import Database
from api.db.unit_of_work import UnitOfWork
from api.db.unusable import is_disk_full
from api.errors import Fault, Invalid, NotPublished
from api.jobs import Job
from api.publish.announcements import Announcements
from api.publish.in_force_log import Recorder
from api.publish.names_files import NamesFiles
from api.publish.past_policies import objects_at, services_at
from api.publish.policy_rows import ban_value, policy_of, present
from api.publish.recompiled import is_ours
from api.publish.repository import Policies, revision
from api.publish.services_in_force import services_in_force
from dnsfilter.errors import DnsfilterError, SnapshotError
from dnsfilter.policy.faults import problems
from dnsfilter.policy.model import Policy, Service
from dnsfilter.policy.rows import without_ended_exemptions
from dnsfilter.snapshot.compiler import KEPT_PAST_S, Compiled, compile_policy
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.signature import sign_manifest
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry.logs import emit
from dnsfilter.translatable import Text

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 30.0
PRUNE_S = 60.0
KEPT_SNAPSHOTS = 20

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Status:
    """Publishing since this process started. `revision` is None before the first snapshot."""

    revision: int | None = None
    published: int = 0
    failures: int = 0
    duration_s: float = 0.0


def plausible_clock(clock: Callable[[], float], store: SnapshotStore) -> Callable[[], float]:
    """Return a clock for acts and snapshots: `clock` while it is plausible, else the time of the newest snapshot."""
    return lambda: store.creation_time_s(int(clock()))


class Publisher:
    """Publish snapshots, signed with `key`, to one store, and record what came into force when.

    `start` starts threads that retry failures and delete old snapshots. Snapshots are dated by `clock` without a check:
    see `plausible_clock`.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Mapping[str, Service],
        store: SnapshotStore,
        clock: Callable[[], float],
        key: Ed25519PrivateKey,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._key = key
        self._announcements = Announcements()
        self._names = NamesFiles()
        self._prepared: Service | None = None
        self._policies = Policies()
        self._policy: Policy | None = None
        self._by_slug: tuple[Policy, Mapping[str, Service]] | None = None
        self._compiled: tuple[Policy, Compiled] | None = None
        # The last policy without faults, and the last compiled one, whose ranges another policy may share.
        self._sound: Policy | None = None
        self._before: Compiled | None = None
        self._recorder = Recorder(database, catalogue)
        self._turn = threading.Lock()
        self._status = Status()
        pauses = FIRST_RETRY_S, LAST_RETRY_S
        self._retrying = Job("publish", self._publish_again, delay_s=FIRST_RETRY_S, retry_s=pauses)
        self._pruning = Job("prune", self._prune, every_s=PRUNE_S)

    @property
    def status(self) -> Status:
        """The state of publishing."""
        return self._status

    @property
    def announcements(self) -> Announcements:
        """The newest snapshot for nodes."""
        return self._announcements

    @property
    def public_key(self) -> str:
        """The public key that verifies snapshots, in hexadecimal."""
        return public_text(self._key)

    @property
    def store(self) -> SnapshotStore:
        """The store of snapshots."""
        return self._store

    def check(self, unit: UnitOfWork) -> Policy:
        """Compile and return the policy that `unit` is about to commit. Raise Invalid if it contradicts itself.

        A policy that cannot be compiled must not be recorded: no later act would come into force either. Objects that
        snapshots no longer contain were checked when they were recorded.
        """
        policy = policy_of(self._policies.load(unit.session, unit.now_s), self._catalogue)
        left = without_ended_exemptions(policy, unit.now_s - KEPT_PAST_S)
        found = problems(left, self._sound)
        if found:
            raise Invalid([Fault(f"policy.{problem.location}", problem.message) for problem in found])
        self._sound = left
        try:
            self._compiled = policy, self._compile(policy)
        except DnsfilterError as error:
            raise Invalid.at("policy", str(error)) from error
        return policy

    def current(self, unit: UnitOfWork) -> Policy:
        """Return the committed policy."""
        held = self._policy
        if held is not None and held.revision == unit.revision:
            return held
        return policy_of(self._policies.load(unit.session, unit.now_s), self._catalogue)

    def committed(self) -> Policy:
        """Return the policy without the acts of the transaction that is under way."""
        with self._database.reading() as session:
            held = self._policy
            if held is not None and held.revision == revision(session):
                return held
            return policy_of(self._policies.load(session, int(self._clock())), self._catalogue)

    def services(self, unit: UnitOfWork | None = None) -> Mapping[str, Service]:
        """Return all services by slug as `unit` sees them; without one, as committed."""
        policy = self.committed() if unit is None else self.current(unit)
        held = self._by_slug
        if held is None or held[0] is not policy:
            held = self._by_slug = policy, {service.slug: service for service in policy.services}
        return held[1]

    def service_names(self) -> Mapping[str, str]:
        """Return the display names of all services by slug."""
        return {slug: service.name for slug, service in self.services().items()}

    def prepare(self, service: Service, digest: str) -> None:
        """Compile and write the names of the services in force with this one, which an act will add or replace.

        Call it before the act's transaction: with a large list it takes seconds, and acts take turns. `digest` is that
        of the service's list.
        """
        self._prepared = service
        self._policies.hold(digest, service)
        self._store.write_ahead(self._names.of(tuple({**self.services(), service.slug: service}.values())))

    def publish(self, policy: Policy) -> None:
        """Publish a committed policy unless a newer one is in force. On failure, raise NotPublished and retry later."""
        with self._turn:
            published = self._status.revision
            if published is not None and policy.revision <= published:
                return
            self._compile_and_store(policy)

    def publish_current(self) -> None:
        """Publish the policy of the database, even if the store has its revision: the catalogue may have changed."""
        with self._turn:
            try:
                with self._database.reading() as session:
                    policy = policy_of(self._policies.load(session, int(self._clock())), self._catalogue)
            except SQLAlchemyError as error:
                raise self._failure(Text("the database cannot be read"), error) from error
            self._compile_and_store(policy)

    def catch_up(self) -> None:
        """Publish the policy of the database unless it is in force. Raise NotPublished."""
        published = self._status.revision
        if published is None or published < self.database_revision():
            self.publish_current()

    @property
    def packaged(self) -> Mapping[str, Service]:
        """The services of the packaged catalogue by slug, without what the policy adds or replaces."""
        return self._catalogue

    @property
    def catalogue(self) -> str:
        """The digest of the catalogue's lists, which publications refer to."""
        return self._recorder.catalogue.digest

    def store_in_force(self) -> None:
        """Store what came into force. Do not call this inside a writing transaction."""
        self._recorder.store_in_force()

    def note_stored(self) -> None:
        """Record the store's snapshot if a process ended before it was recorded."""
        try:
            manifest = parse_manifest(self._store.read_current().manifest)
        except SnapshotError:
            return
        with self._database.reading() as session:
            stored = services_at(session, manifest.revision)
            bans = present(map(ban_value, objects_at(session, BanRow, manifest.revision)))
        services = tuple(services_in_force(stored, bans, self._catalogue).values())
        self._recorder.note_stored(manifest, self._names.of(services).digest)

    def stored_revision(self) -> int | None:
        """Return the revision of the store's current snapshot; None if there is none."""
        try:
            return self._store.read_current().revision
        except SnapshotError:
            return None

    def stored_is_foreign(self) -> bool:
        """Return whether the store's snapshot differs from the database's policy of its revision."""
        try:
            manifest = parse_manifest(self._store.read_current().manifest)
        except SnapshotError:
            return False
        with self._database.reading() as session:
            return not is_ours(session, manifest, self._catalogue)

    def database_revision(self) -> int:
        """Return the revision of the database. Raise the errors of the database."""
        with self._database.reading() as session:
            return revision(session)

    def start(self) -> None:
        """Start retrying and recording in the background."""
        for job in (self._retrying, self._pruning, self._recorder):
            job.start()

    def stop(self) -> None:
        """Stop the threads."""
        for job in (self._retrying, self._pruning, self._recorder):
            job.stop()

    def _compile_and_store(self, policy: Policy) -> None:
        started = perf_counter()
        try:
            checked, self._compiled = self._compiled, None
            compiled = checked[1] if checked is not None and checked[0] is policy else self._compile(policy)
            compiled = replace(compiled, manifest=sign_manifest(compiled.manifest, self._key))
            self._store.publish(compiled)
        except (DnsfilterError, OSError) as error:
            what = Text("revision {revision} is recorded, but not yet in force", revision=policy.revision)
            raise self._failure(what, error) from error
        now_s = self._clock()
        self._announcements.announce(policy.revision, compiled.manifest, now_s)
        self._recorder.note(parse_manifest(compiled.manifest), int(now_s))
        self._policy = policy
        self._policies.keep_lists((*policy.services, *present([self._prepared])))
        status = self._status
        self._status = replace(
            status,
            revision=policy.revision,
            published=status.published + 1,
            duration_s=status.duration_s + perf_counter() - started,
        )
        took_ms = f"{1000 * (perf_counter() - started):.1f}"
        emit(log, logging.INFO, "snapshot published", revision=policy.revision, ms=took_ms)

    def _compile(self, policy: Policy) -> Compiled:
        self._before = compile_policy(
            policy, int(self._clock()), names=self._names.of(policy.services), before=self._before
        )
        return self._before

    def _failure(self, what: str, error: Exception) -> NotPublished:
        self._status = replace(self._status, failures=self._status.failures + 1)
        self._retrying.wake()
        emit(log, logging.ERROR, "snapshot not published", reason=what, error=error)
        if any(is_disk_full(each) for each in (error, error.__cause__) if isinstance(each, Exception)):
            what = f"{what}: disk full, free some space in {self._store.directory}"
        return NotPublished(Text("{what}: publishing is retried automatically; do not repeat the act", what=what))

    def _publish_again(self) -> bool:
        try:
            self.publish_current()
        except NotPublished:
            return False
        return True

    def _prune(self) -> None:
        try:
            self._store.prune(KEPT_SNAPSHOTS)
        except (DnsfilterError, OSError) as error:
            emit(log, logging.WARNING, "old snapshots not removed", error=error)
