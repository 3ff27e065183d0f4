"""One-time commands: make an installation, missing keys or a token, enrol a node, accept another database."""

import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from api.audit.signing_key import make_signing_key
from api.auth.tokens import load_key, make_first_token, make_key, record_key, replace_token
from api.db.exclusive import Busy, locked, turn_on
from api.db.integrity import Integrity
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.db.unusable import Unusable
from api.errors import Conflict
from api.installation.opening import (
    DatabaseContent,
    cannot_open,
    command,
    database_content,
    database_file,
    database_name,
    demand_installation,
    demand_key,
    demand_no_installation,
    open_database,
    restored_at,
    start_command,
    traces,
    unreachable,
    wrong_database,
)
from api.nodes.enrolment_file import invite, maintain_enrolment_file
from api.publish import startup_check
from api.publish.repository import is_empty
from api.publish.service import plausible_clock
from api.settings import PREFIX, Endpoint, Settings
from dnsfilter.control.local_enrolment import NAME
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.snapshot.stored.store import SnapshotStore

Key = TypeVar("Key")


def run(command: str, settings: Settings, *, keep: bool) -> str:
    """Run a one-time command and return what it did. `keep` is for new-token: revoke none."""
    if command == "new-token":
        return make_token(settings, keep=keep)
    return _COMMANDS[command](settings)


def create(settings: Settings) -> str:
    """Make an installation. Raise ConfigError if there is one, or a trace of one. Return what was done.

    It is made in a fork of this process: Alembic, which makes the tables, takes 15 MB that a server never needs again.
    """
    from dnsfilter.supervisor.read_apart import in_fork

    def made() -> bytes:
        try:
            return make_installation(settings).encode()
        except SQLAlchemyError as error:
            raise (
                UnavailableError(str(error)) if isinstance(error, Unusable) else cannot_open(settings, error)
            ) from error

    return in_fork(made).decode()


def make_installation(settings: Settings) -> str:
    """Do what `create` does, in this process. Raise also the errors of the database."""
    demand_no_installation(settings)
    _make_state_directory(settings)
    with exclusive_access(settings), _opened(settings, create=True) as database:
        # Another process may have made it before this one got exclusive access.
        demand_no_installation(settings)
        _make_keys(settings)
        key = token_key(settings)
        make_first_token(database, key, settings.token_path, _now_s(settings))
        note_key(settings, database, key)
        invite(database, key, settings.enrolment_token_path, _now_s(settings))
    return f"made {database_name(settings)}; the administrator's token is in {settings.token_path}"


def is_first_start(settings: Settings) -> bool:
    """Return whether there is neither an installation nor a trace of one."""
    held = database_content(settings)
    return held is not DatabaseContent.INSTALLATION and not traces(settings, held)


def check(settings: Settings) -> str:
    """Return that the settings are valid, and whether an installation is missing.

    Raise ConfigError with every address in use if one is missing: later this program may use them itself.
    """
    if not is_first_start(settings):
        return "the settings are valid"
    problems = list(_addresses_in_use(settings))
    if problems:
        raise ConfigError(tuple(problems))
    return f"the settings are valid, and there is no installation yet: {command('init', settings)} makes it"


def _addresses_in_use(settings: Settings) -> Iterator[Problem]:
    """Yield a problem for each address that cannot be bound."""
    for key, where in (*(("listen", each) for each in settings.listen), ("metrics_listen", settings.metrics_listen)):
        if isinstance(where, Endpoint):
            family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
            try:
                socket.create_server((where.host, where.port), family=family).close()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                message = f"cannot listen on {where.text}: {reason}; choose another address"
                yield Problem(f"{PREFIX}{key.upper()}", message)


def make_missing_keys(settings: Settings) -> str:
    """Make the missing keys. Return what was done.

    A new key of token hashes voids all tokens, so also make a new administrator's token.
    """
    demand_installation(settings)
    with exclusive_access(settings), _opened(settings) as database:
        made = _make_keys(settings)
        if settings.token_key_path in made:
            key = token_key(settings)
            note_key(settings, database, key)
            replace_token(database, key, settings.token_path, _now_s(settings))
            made.append(settings.token_path)
    return f"made {', '.join(map(str, made))}" if made else "no key is missing"


def make_token(settings: Settings, *, keep: bool = False) -> str:
    """Replace the administrator's token, or with `keep` make another. Return what was done."""
    demand_installation(settings)
    with _opened(settings) as database:
        key = token_key(settings)
        demand_key(settings, database, key)
        revoked = replace_token(database, key, settings.token_path, _now_s(settings), keep=keep)
    made = f"a new administrator's token is in {settings.token_path}"
    if not revoked.tokens:
        return f"{made}; the other tokens stay valid"
    return (
        f"{made}; revoked {revoked}: dnsfilterctl audit list --act token.revoke lists them. Their owners need new ones"
    )


def enrol_node(settings: Settings) -> str:
    """Register this machine's node if needed, and write a one-time token for it. Return what was done."""
    demand_installation(settings)
    path = settings.enrolment_token_path
    with _opened(settings) as database:
        key = token_key(settings)
        demand_key(settings, database, key)
        try:
            invite(database, key, path, _now_s(settings))
        except Conflict as error:
            raise UnavailableError(f"cannot register {NAME}: {error}") from error
    return (
        f"a one-time token for {NAME} is in {path}: a node that has not enrolled uses it within seconds; "
        f"one that has needs: dnsfilter enrol --config FILE --token-file {shlex.quote(str(path))}"
    )


def look_after_node(settings: Settings, database: Database, key: bytes) -> None:
    """Check the one-time token of this machine's node. Call this before anything changes after a restore."""
    with database.reading() as session:
        restored_s = restored_at(session)
    maintain_enrolment_file(database, key, settings.enrolment_token_path, _now_s(settings), restored_s)


def accept(settings: Settings) -> str:
    """Let the database's policy replace that of snapshots that it does not know. Return what was done.

    Raise ConfigError if the database has no policy.
    """
    demand_installation(settings)
    stored = SnapshotStore(settings.snapshot_dir).current_revision()
    with exclusive_access(settings), _opened(settings) as database:
        key = token_key(settings)
        demand_key(settings, database, key)
        with database.reading() as session:
            if is_empty(session):
                name = database_name(settings)
                raise wrong_database(f"{name} holds no policy, so it may not replace one: check --database")
        note_key(settings, database, key)
        startup_check.accept(database, stored, _now_s(settings))
    return f"{database_name(settings)} is accepted; to publish its policy, type: {start_command(settings)}"


def token_key(settings: Settings) -> bytes:
    """Return the key of token hashes. Raise UnavailableError."""
    return read_key(settings, load_key, settings.token_key_path, "token", "every token is void")


def read_key(settings: Settings, load: Callable[[Path], Key], path: Path, name: str, consequence: str) -> Key:
    """Return the key in a file. Raise UnavailableError, which has the consequence of making another key."""
    try:
        return load(path)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{error.filename} does not exist: restore the key from a copy. If there is none, "
            f"{command('new-keys', settings)} makes another, and {consequence}"
        ) from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot use the {name} key: {error}") from error


@contextmanager
def exclusive_access(settings: Settings) -> Iterator[None]:
    """Make this the only process that changes the database. Raise UnavailableError if another one uses it."""
    with ExitStack() as stack:
        stack.enter_context(file_locked(settings))
        turn = turn_on(settings.database)
        if turn is not None:
            stack.callback(turn.close)
            try:
                taken = turn.take()
            except SQLAlchemyError as error:
                raise cannot_open(settings, error) from error
            if not taken:
                message = f"another control plane uses the database {database_name(settings)}: stop it first"
                raise UnavailableError(message)
        yield


@contextmanager
def file_locked(settings: Settings) -> Iterator[None]:
    """Hold the lock of an SQLite database during the block. Raise UnavailableError if another process holds it."""
    file = database_file(settings)
    with ExitStack() as stack:
        if file is not None:
            try:
                stack.enter_context(locked(file))
            except Busy as error:
                raise UnavailableError(f"{error}: stop that process, or name another with --database") from error
            except OSError as error:
                raise unreachable("lock", error) from error
        yield


def note_key(settings: Settings, database: Database, key: bytes) -> None:
    """Record the key of token hashes, unless the audit log has it."""
    with database.writing() as session:
        record_key(UnitOfWork(session, LOCAL, _now_s(settings)), key)


def _make_keys(settings: Settings) -> list[Path]:
    """Make the missing keys. Return their files."""
    made = []
    for path, make in (
        (settings.token_key_path, make_key),
        (settings.snapshot_key, make_signing_key),
        (settings.checkpoint_key, make_signing_key),
    ):
        if not path.exists():
            make(path)
            made.append(path)
    return made


def _make_state_directory(settings: Settings) -> None:
    try:
        settings.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        message = (
            f"cannot make the state directory {settings.state_dir}: {error.strerror}; name another with --state-dir"
        )
        raise UnavailableError(message) from error


@contextmanager
def _opened(settings: Settings, *, create: bool = False) -> Iterator[Database]:
    """Open the database during the block. Raise UnavailableError, also for a file that cannot be written."""
    database = open_database(settings, create=create)
    try:
        # Commands must not act on a damaged database either.
        Integrity(database, accepted=settings.accept_damage).check_quickly()
        yield database
    except OSError as error:
        raise unreachable("write", error) from error
    except SQLAlchemyError as error:
        raise cannot_open(settings, error) from error
    finally:
        database.close()


def _now_s(settings: Settings) -> int:
    return int(plausible_clock(time.time, SnapshotStore(settings.snapshot_dir))())


_COMMANDS: Mapping[str, Callable[[Settings], str]] = {
    "init": create,
    "new-keys": make_missing_keys,
    "enrol-node": enrol_node,
    "accept": accept,
    "check": check,
}
"""Each command returns what it did. It raises ConfigError and UnavailableError."""
