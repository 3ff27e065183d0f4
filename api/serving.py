"""Serve the API: start the parts of the process in order, and stop them in the opposite order."""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from api.application import make_application
from api.archive.last_backup import backup_age_s
from api.audit.checkpoint_job import CheckpointJob
from api.audit.signing_key import load_signing_key
from api.auth.authentication_failures import sweep
from api.bans.requests.second_person_rule import SecondPerson
from api.catalogue.service import follow_release
from api.db.exclusive import Turn, turn_on
from api.db.integrity import Integrity
from api.db.session import Database
from api.errors import NotPublished
from api.events.event_job import EventJob
from api.feeds.feed_job import FeedJob
from api.feeds.fetching import Fetcher
from api.http import idempotency
from api.http.dependencies import Runtime
from api.installation import commands, opening
from api.nodes.fleet import Fleet
from api.notices.notice_job import Notifier
from api.peers.peer_job import MAX_REGISTER, PeerJob
from api.policies.first_policy import load_into_empty
from api.publish.service import Publisher, plausible_clock
from api.publish.startup_check import reconcile_with_store
from api.server.connections import raise_limit
from api.server.http_server import Server
from api.server.listeners import listen_on_all, taken
from api.server.metrics import collectors, metric_table
from api.server.metrics.collectors import Registry, Scraped
from api.server.metrics.metrics_server import MetricsServer
from api.settings import Endpoint, Settings, TlsFiles
from api.tls.certificates import Certificate, warn_if_exposed
from blocklists.catalogue import load_catalogue
from dnsfilter.errors import UnavailableError
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry.logs import emit

COLLECTED_AFTER = 50_000, 20, 50
"""Thresholds of the garbage collector. Python's own (700, 10, 10) take a fifth of an act on 100,000 ranges."""
SWITCH_S = 0.0001
"""Longest turn of a thread in seconds. An act waits for some eighty turns of a thread that reads a large list."""

log = logging.getLogger("dnsfilter.api")


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Raise ConfigError and UnavailableError before the first answer only."""
    gc.enable()
    sys.setswitchinterval(SWITCH_S)
    raise_limit()
    with ExitStack() as stack:
        # Wait before listening: clients of a waiting control plane find its port closed, and try the other.
        turn = _take_turn(settings, stack)
        opening.demand_installation(settings)
        stack.enter_context(commands.file_locked(settings))
        listeners = listen_on_all(settings, stack)
        parts = _make_parts(settings, stack)
        runtime, publisher = parts.runtime, parts.publisher
        app, registry = make_application(runtime, publisher, parts.checkpoint_job, parts.fleet, parts.events)
        _register(registry, settings, parts)
        metrics = _serve_metrics(settings.metrics_listen, registry)
        stack.callback(metrics.close)
        _prepare(settings, runtime, publisher)
        _keep_out_of_collections()
        notifier = Notifier(
            runtime.database,
            publisher.services,
            runtime.catalogue,
            settings.notices_mail,
            runtime.clock,
            lambda: publisher.status.published,
        )
        registry.register(Scraped(partial(collectors.notices, notifier)))
        certificate = _certificate(settings.tls, registry)
        fetching = parts.feeds, parts.peers
        background = parts.checkpoint_job, notifier, parts.events, *fetching, parts.integrity, parts.fleet
        _start((publisher, *background, certificate), stack)
        urls = " and ".join(listener.url for listener in listeners)
        listening = f"dnsfilter-api: listening on {urls}, metrics on http://{metrics.endpoint.text}/metrics"
        ready = f"{listening}, state in {settings.state_dir}"
        if turn is not None:
            turn.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        server = Server(app, ready, listeners, certificate, publisher.announcements.close)
        server.run([listener.socket for listener in listeners])
        return 1 if turn is not None and turn.lost else 0


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the process that the application or its metrics use."""

    runtime: Runtime
    publisher: Publisher
    checkpoint_job: CheckpointJob
    fleet: Fleet
    events: EventJob
    feeds: FeedJob
    peers: PeerJob
    integrity: Integrity


def _make_parts(settings: Settings, stack: ExitStack) -> _Parts:
    """Open the database, read the keys and make the parts, without starting them. `stack` closes the database."""
    token_key = commands.token_key(settings)
    database = opening.open_database(settings)
    stack.callback(database.close)
    integrity = _integrity(settings, database)
    catalogue = load_catalogue()
    store = SnapshotStore(settings.snapshot_dir)
    clock = plausible_clock(time.time, store)
    kept = "each node keeps its snapshot until it is enrolled again"
    snapshot_key = commands.read_key(settings, load_signing_key, settings.snapshot_key, "snapshot", kept)
    by_slug = {service.slug: service for service in catalogue.services}
    publisher = Publisher(database, by_slug, store, clock, snapshot_key)
    recorded = "the audit log records the new key"
    checkpoint_key = commands.read_key(settings, load_signing_key, settings.checkpoint_key, "checkpoint", recorded)
    names, destinations = publisher.service_names, settings.event_destinations
    return _Parts(
        Runtime(settings, database, catalogue, publisher, clock, token_key, SecondPerson()),
        publisher,
        CheckpointJob(database, checkpoint_key, settings.checkpoint_destinations, clock),
        Fleet(database, publisher, clock),
        EventJob(database, token_key, names, destinations, clock, private=settings.webhook_networks),
        FeedJob(database, publisher, Fetcher(settings.feed_networks, settings.feed_dir), clock),
        PeerJob(database, Fetcher(settings.feed_networks, most=MAX_REGISTER), clock),
        integrity,
    )


def _register(registry: Registry, settings: Settings, parts: _Parts) -> None:
    """Register the metrics of parts that the application does not know."""
    feeds, age_s = parts.feeds, partial(backup_age_s, settings.last_backup_path, parts.runtime.clock)
    registry.register(Scraped(lambda: collectors.feeds(feeds.failures(), feeds.figures())))
    registry.register(Scraped(lambda: collectors.peers(parts.peers.figures())))
    registry.register(Scraped(partial(collectors.damage, parts.integrity)))
    registry.register(Scraped(partial(collectors.state_dir, settings.state_dir, age_s)))


def _keep_out_of_collections() -> None:
    """Keep the catalogue, which is never freed, out of collections: walking a million names would delay an act."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


class _Background(Protocol):
    """A part that works in the background."""

    def start(self) -> None: ...
    def stop(self) -> object: ...


def _start(parts: Iterable[_Background | None], stack: ExitStack) -> None:
    """Start the parts in order. `stack` stops them in the opposite order."""
    for part in parts:
        if part is not None:
            part.start()
            stack.callback(part.stop)


def _certificate(files: TlsFiles | None, registry: Registry) -> Certificate | None:
    """Read the certificate, and register the metric of its expiry."""
    if files is None:
        return None
    try:
        found = Certificate(files.certificate, files.key)
    except ValueError as error:
        raise UnavailableError(f"cannot use the certificate: {error}") from error
    warn_if_exposed(files.key)
    registry.register(Scraped(lambda: [collectors.single(metric_table.CERTIFICATE_EXPIRY, found.expires_s)]))
    return found


def _serve_metrics(endpoint: Endpoint, registry: Registry) -> MetricsServer:
    try:
        return MetricsServer(endpoint, registry)
    except OSError as error:
        raise UnavailableError(taken(endpoint.text, "--metrics-listen", error)) from error


def _take_turn(settings: Settings, stack: ExitStack) -> Turn | None:
    """Wait until no other control plane uses the database. Keep others out until `stack` ends."""
    try:
        turn = turn_on(settings.database)
        if turn is not None:
            stack.callback(turn.close)
            turn.wait()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise opening.cannot_open(settings, error) from error
    return turn


def _integrity(settings: Settings, database: Database) -> Integrity:
    """Check the database quickly. Return the object that checks it from then on."""
    file = opening.database_file(settings)
    integrity = Integrity(database, accepted=settings.accept_damage)
    try:
        database.watch(settings.state_dir, *(() if file is None else (file,)))
        integrity.check_quickly()
    except OSError as error:
        raise opening.unreachable("read", error) from error
    except SQLAlchemyError as error:
        raise opening.cannot_open(settings, error) from error
    return integrity


def _prepare(settings: Settings, runtime: Runtime, publisher: Publisher) -> None:
    """Check that the installation belongs together, load the policy of a first start, and publish a snapshot."""
    now_s = int(runtime.clock())
    opening.demand_key(settings, runtime.database, runtime.token_key)
    opening.demand_known_snapshots(settings, runtime.database, publisher)
    if runtime.database.obstacle is None:
        commands.note_key(settings, runtime.database, runtime.token_key)
        commands.look_after_node(settings, runtime.database, runtime.token_key)
    if settings.init_policy is not None:
        loaded = load_into_empty(runtime, settings.init_policy)
        event = "policy loaded" if loaded else "policy not loaded, the database has one"
        emit(log, logging.INFO, event, path=settings.init_policy)
    if runtime.database.obstacle is None:
        follow_release(runtime)
    with runtime.database.writing() as session:
        sweep(session, now_s)
        idempotency.sweep(session, now_s)
    reconcile_with_store(runtime.database, publisher, now_s)
    try:
        publisher.publish_current()
    except NotPublished:
        emit(log, logging.WARNING, "starting without a published snapshot, publishing is retried")
    # Before the first act: storing lists of a million names takes seconds.
    publisher.store_in_force()
