"""dnsfilter-api: the control plane as a process."""

import argparse
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from api import idempotency
from api.application import make_application, make_description
from api.audit.key import load_signing_key
from api.audit.witness import Witness
from api.auth.failures import sweep
from api.auth.tokens import make_first_token
from api.db.integrity import Integrity
from api.db.session import Database
from api.db.turn import Turn, turn_on
from api.deps import Runtime
from api.errors import NotPublished
from api.installation import making, opening
from api.installation.environment import PACKAGED, read_environment
from api.installation.user import become_owner
from api.listening import listen_on_all, taken
from api.nodes.fleet import Fleet
from api.notices.notifier import Notifier
from api.policies.service import load_into_empty
from api.publish.service import Publisher, believed
from api.publish.signing import Signing
from api.publish.start import keep_history, meet_store
from api.settings import DEFAULTS, KEYS, PREFIX, Endpoint, Settings, TlsFiles, parse_settings
from api.system.connections import raise_limit
from api.system.metrics import DamageCollector, MetricsServer, Registry
from api.system.notices import NoticesCollector
from api.system.server import Server
from api.tls import Certificate, warn_if_exposed
from api.unusable import Unusable
from blocklists.catalogue import load_catalogue
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.snapshot.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.logs import emit

COLLECTED_AFTER = 50_000, 20, 50
"""Objects, and collections of younger ones: Python's own (700, 10, 10) take a fifth of an act on 100,000 ranges."""

HELP = (
    "serve (the default); init: make an installation; new-token: replace the administrator's token, and revoke the old "
    "one with all that were made with it; new-keys: make the keys that are missing; enrol-node: leave a one-time token "
    "for this machine's node; accept: let this database replace the policy of snapshots that it does not know; "
    "openapi: print the description"
)
COMMANDS: Mapping[str, making.Command] = {
    "init": making.create,
    "new-token": making.make_token,
    "new-keys": making.make_missing_keys,
    "enrol-node": making.enrol_node,
    "accept": making.accept,
}
"""Commands that act once and say what they did."""

log = logging.getLogger("dnsfilter.api")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 done, 1 something is missing or busy, 2 wrong settings."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.keep and arguments.command != "new-token":
        parser.error("--keep goes with new-token only: dnsfilter-api new-token --keep")
    if arguments.command == "openapi":
        print(json.dumps(make_description([]).openapi(), indent=1))
        return 0
    logs.setup()
    for noisy in ("alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.umask(0o027)
    try:
        settings = _settings(arguments)
        become_owner(settings, create=arguments.create or arguments.command == "init")
        if arguments.command in COMMANDS:
            done = making.make_token(settings, keep=True) if arguments.keep else COMMANDS[arguments.command](settings)
            print(f"dnsfilter-api: {done}")
            return 0
        if arguments.create and making.is_first_start(settings):
            emit(log, logging.INFO, "first start", done=making.create(settings))
        return serve(settings)
    except ConfigError as error:
        for problem in error.problems:
            print(f"dnsfilter-api: {problem}", file=sys.stderr)
        return 2
    except (UnavailableError, Unusable) as error:
        for line in str(error).splitlines():
            print(f"dnsfilter-api: {line}", file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"dnsfilter-api: {opening.cannot_open(settings, error)}", file=sys.stderr)
        return 1


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; raises ConfigError and UnavailableError before the first answer only."""
    raise_limit()
    with ExitStack() as stack:
        # Before it listens: clients of a control plane that waits find it closed, and try the other.
        turn = _take_turn(settings, stack)
        opening.demand_installation(settings)
        stack.enter_context(making.file_locked(settings))
        listeners = listen_on_all(settings, stack)
        token_key = making.token_key(settings)
        database = opening.open_database(settings)
        stack.callback(database.close)
        integrity = _integrity(settings, database)
        catalogue = load_catalogue()
        services = {service.slug: service for service in catalogue.services}
        store = SnapshotStore(settings.snapshot_dir)
        clock = believed(time.time, store)
        publisher = Publisher(database, services, store, clock, _signing(settings))
        runtime = Runtime(settings, database, catalogue, services, publisher, clock, token_key)
        witness = _witness(settings, runtime)
        fleet = Fleet(database, publisher, clock)
        app, registry = make_application(runtime, publisher, witness, fleet)
        registry.register(DamageCollector(integrity))
        metrics = _serve_metrics(settings.metrics_listen, registry)
        stack.callback(metrics.close)
        _prepare(settings, runtime, publisher)
        # The catalogue stays for good: collections that walk a million names would hold up a toggle.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        publisher.start()
        stack.callback(publisher.stop)
        witness.start()
        stack.callback(witness.stop)
        notifier = _notifier(settings, runtime, publisher)
        if notifier is not None:
            registry.register(NoticesCollector(notifier))
            notifier.start()
            stack.callback(notifier.stop)
        integrity.start()
        stack.callback(integrity.stop)
        fleet.start()
        stack.callback(fleet.stop)
        certificate = _certificate(settings.tls)
        if certificate is not None:
            certificate.start()
            stack.callback(certificate.stop)
        urls = " and ".join(listener.url for listener in listeners)
        said = f"dnsfilter-api: listening on {urls}, metrics on http://{metrics.endpoint.text}/metrics"
        ready = f"{said}, state in {settings.state_dir}"
        if turn is not None:
            turn.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        server = Server(app, ready, listeners, certificate, publisher.news.close)
        server.run([listener.socket for listener in listeners])
        return 1 if turn is not None and turn.lost else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dnsfilter-api",
        description="The control plane of dnsfilter.",
        epilog=f"Settings also come from {PREFIX}* in the environment. Root acts as the owner of the state directory.",
    )
    parser.add_argument("command", nargs="?", default="serve", choices=("serve", "openapi", *COMMANDS), help=HELP)
    parser.add_argument(
        "--create", action="store_true", help="as init, if there is no trace of an installation; then serve"
    )
    parser.add_argument(
        "--keep", action="store_true", help="new-token: revoke none; where the token is lost, and nobody else has it"
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help=f"variables, as systemd reads them ({PACKAGED}, unless another setting names another state directory)",
    )
    parser.add_argument("--state-dir", metavar="DIR", help=f"database, token, snapshots ({DEFAULTS['state_dir']})")
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS:PORT|unix:PATH",
        help=f"the API ({DEFAULTS['listen']}), also several with commas between or repeated; a socket for a proxy",
    )
    parser.add_argument("--metrics-listen", metavar="ADDRESS:PORT", help=f"metrics ({DEFAULTS['metrics_listen']})")
    parser.add_argument("--database", metavar="URL", help="SQLite or PostgreSQL (SQLite in the state directory)")
    parser.add_argument("--init-policy", metavar="FILE", help="a policy to load into an empty database")
    parser.add_argument("--tls-certificate", metavar="FILE", help="PEM, with what is between it and its authority")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, PEM without a password; both are read when renewed")
    parser.add_argument(
        "--allow-plain", action="store_const", const="true", help="plain HTTP also where others hear it"
    )
    parser.add_argument(
        "--broken-record", action="store_const", const="true", help="accept acts although the database is damaged"
    )
    parser.add_argument("--snapshot-key", metavar="FILE", help="what signs snapshots (in the state directory)")
    parser.add_argument(
        "--checkpoint-key", metavar="FILE", help="what signs checkpoints of the record (in the state directory)"
    )
    parser.add_argument("--checkpoint-file", metavar="FILE", help="checkpoints are added to it")
    parser.add_argument("--checkpoint-mail", metavar="URL", help="and sent: smtp://HOST:PORT?from=ADDRESS&to=ADDRESS")
    parser.add_argument("--checkpoint-syslog", metavar="PLACE", help="and logged: udp:// or tcp://HOST:PORT, /dev/log")
    parser.add_argument(
        "--notices-mail",
        metavar="URL",
        help="notices to authorities are sent by smtp://HOST:PORT?from=ADDRESS&to=ADDRESS",
    )
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    # In the environment itself, since libraries read variables too: PGPASSFILE, TZ.
    os.environ.update(read_environment(os.environ, arguments.state_dir, arguments.env_file))
    given = {key: getattr(arguments, key) for key in KEYS}
    given["listen"] = arguments.listen and ",".join(arguments.listen)
    return parse_settings(given, os.environ, arguments.env_file)


def _certificate(files: TlsFiles | None) -> Certificate | None:
    if files is None:
        return None
    try:
        found = Certificate(files.certificate, files.key)
    except ValueError as error:
        raise UnavailableError(f"cannot use the certificate: {error}") from error
    warn_if_exposed(files.key)
    return found


def _serve_metrics(endpoint: Endpoint, registry: Registry) -> MetricsServer:
    try:
        return MetricsServer(endpoint, registry)
    except OSError as error:
        raise UnavailableError(taken(endpoint.text, "--metrics-listen", error)) from error


def _take_turn(settings: Settings, stack: ExitStack) -> Turn | None:
    """Wait until no other control plane uses the database. Keep others from it until `stack` ends."""
    try:
        turn = turn_on(settings.database)
        if turn is not None:
            stack.callback(turn.close)
            turn.wait()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise opening.cannot_open(settings, error) from error
    return turn


def _integrity(settings: Settings, database: Database) -> Integrity:
    """Check the database quickly, and return what checks it from then on."""
    file = opening.database_file(settings)
    integrity = Integrity(database, accepted=settings.broken_record)
    try:
        database.watch(settings.state_dir, *(() if file is None else (file,)))
        integrity.check_quickly()
    except OSError as error:
        raise opening.unreachable("read", error) from error
    except SQLAlchemyError as error:
        raise opening.cannot_open(settings, error) from error
    return integrity


def _signing(settings: Settings) -> Signing:
    try:
        return Signing(load_signing_key(settings.snapshot_key))
    except FileNotFoundError as error:
        consequence = "each node goes on with what it has until it is enrolled again"
        raise making.missing_key(settings, error, consequence) from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot use the key of snapshots: {error}") from error


def _witness(settings: Settings, runtime: Runtime) -> Witness:
    try:
        key = load_signing_key(settings.checkpoint_key)
    except FileNotFoundError as error:
        raise making.missing_key(settings, error, "the audit log says so") from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot use the key of checkpoints: {error}") from error
    return Witness(runtime.database, key, settings.checkpoint_places, runtime.clock)


def _notifier(settings: Settings, runtime: Runtime, publisher: Publisher) -> Notifier | None:
    if settings.notices_mail is None:
        return None
    names = {service.slug: service.name for service in runtime.services.values()}
    return Notifier(runtime.database, names, settings.notices_mail, runtime.clock, lambda: publisher.status.published)


def _prepare(settings: Settings, runtime: Runtime, publisher: Publisher) -> None:
    """The first start's policy, and a snapshot of what the database holds."""
    now_s = int(runtime.clock())
    opening.demand_key(settings, runtime.database, runtime.token_key)
    opening.demand_known_snapshots(settings, runtime.database, publisher)
    if runtime.database.obstacle is None:
        making.note_key(settings, runtime.database, runtime.token_key)
        making.look_after_node(settings, runtime.database, runtime.token_key)
    kept = keep_history(runtime.database, now_s)
    if kept:
        emit(log, logging.INFO, "first versions of the policy kept", objects=kept)
    try:
        if make_first_token(runtime.database, runtime.token_key, settings.token_path, now_s):
            emit(log, logging.INFO, "administrator's token written", path=settings.token_path)
    except OSError as error:
        raise UnavailableError(f"cannot write {settings.token_path}: {error.strerror}") from error
    if settings.init_policy is not None:
        loaded = load_into_empty(runtime, settings.init_policy)
        event = "policy loaded" if loaded else "policy not loaded, the database has one"
        emit(log, logging.INFO, event, path=settings.init_policy)
    with runtime.database.writing() as session:
        sweep(session, now_s)
        idempotency.sweep(session, now_s)
    meet_store(runtime.database, publisher, now_s)
    try:
        publisher.publish_current()
    except NotPublished:
        emit(log, logging.WARNING, "starting without a published snapshot, which is retried")
    # Before the first act: lists of a million names take seconds to write down.
    publisher.settle()


if __name__ == "__main__":
    sys.exit(main())
