"""Open the installation that the settings name. Never make one."""

import os
import pwd
import shlex
import shutil
import sqlite3
from collections.abc import Mapping
from enum import Enum, auto
from errno import EPERM
from pathlib import Path

from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.auth.tokens import fingerprint, recorded_fingerprint
from api.chain.verification import RESTORE_ACT
from api.db.integrity import is_damage
from api.db.migration import UnknownSchemaError, schema_of
from api.db.models import AuditRow
from api.db.session import Database
from api.installation.environment import PACKAGED, read_environment
from api.publish.repository import is_empty, revision
from api.publish.service import Publisher
from api.settings import LOCATION_KEYS, Settings, location_settings
from dnsfilter.errors import ConfigError, Problem, UnavailableError

FIRST_PERSON = 1000
"""The first user id of a person, as distributions assign them. Lower ones are services."""
OWNER = "run dnsfilter-api as root, or as the user that owns the database and its directory"
"""Advice for a file that belongs to another user."""


class DatabaseContent(Enum):
    """The content of a database."""

    NOTHING = auto()
    UNFINISHED = auto()
    """Tables without an audit entry: making the installation was interrupted."""
    INSTALLATION = auto()


def database_file(settings: Settings) -> Path | None:
    """Return the file of the database, or None for PostgreSQL."""
    url = make_url(settings.database)
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


def database_name(settings: Settings) -> str:
    """Return the name of the database for messages: its file, or its URL without the password."""
    file = database_file(settings)
    return database_url(settings) if file is None else str(file)


def database_url(settings: Settings) -> str:
    """Return the database's URL without the password."""
    return make_url(settings.database).render_as_string(hide_password=True)


def command(name: str, settings: Settings) -> str:
    """Return the command to type for this installation, as root or as the same user."""
    words = ["dnsfilter-api", *([name] if name else [])]
    if settings.env_file is not None:
        words += ["--env-file", str(settings.env_file)]
    wanted = _locations(settings)
    if _found_without(settings, None) != wanted:
        words += ["--state-dir", str(settings.state_dir)]
        found = _found_without(settings, str(settings.state_dir))
        for key in LOCATION_KEYS:
            if wanted[key] != found[key]:
                value = database_url(settings) if key == "database" else wanted[key]
                words += [f"--{key.replace('_', '-')}", value]
    if 0 < os.geteuid() < FIRST_PERSON and shutil.which("sudo") is not None:
        # A service: a person reads its log, and that person's own user could not read the files.
        words = ["sudo", "-u", _user_name(), *words]
    return shlex.join(words)


def start_command(settings: Settings) -> str:
    """Return the command that starts the control plane: systemctl if the packaged unit runs this installation."""
    is_packaged = (
        settings.env_file is None and PACKAGED.exists() and _found_without(settings, None) == _locations(settings)
    )
    return "systemctl start dnsfilter-api" if is_packaged else command("", settings)


def _locations(settings: Settings) -> Mapping[str, str]:
    return location_settings({key: str(getattr(settings, key)) for key in LOCATION_KEYS}, {})


def _found_without(settings: Settings, state_dir: str | None) -> Mapping[str, str]:
    """Return the locations that a command finds if it is given at most the state directory."""
    try:
        environ = read_environment({}, state_dir, settings.env_file)
    except ConfigError:
        environ = {}
    return location_settings({"state_dir": state_dir}, environ)


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"#{os.geteuid()}"


def unreachable(what: str, error: OSError) -> UnavailableError:
    """Return the error for a file that cannot be read, written or locked. `what` is the verb."""
    path = error.filename2 or error.filename
    advice = OWNER if isinstance(error, PermissionError) else "check its disk"
    if error.errno == EPERM:
        # In a sticky directory, only root replaces another user's file.
        advice = "it belongs to another user: remove it as root"
    return UnavailableError(f"cannot {what} {path}: {error.strerror}; {advice}")


def traces(settings: Settings, held: DatabaseContent) -> list[Path]:
    """Return the files that only an earlier installation can have left.

    An unfinished installation already has keys, but no snapshot. Raise UnavailableError if a path cannot be checked.
    """
    keys = settings.token_key_path, settings.snapshot_key, settings.checkpoint_key, settings.token_path
    wanted = (*(keys if held is DatabaseContent.NOTHING else ()), settings.snapshot_dir / "current")
    try:
        return [path for path in wanted if path.exists()]
    except OSError as error:
        raise unreachable("read", error) from error


def database_content(settings: Settings) -> DatabaseContent:
    """Return the content of the database, NOTHING if it does not exist. Raise UnavailableError if it is unreadable."""
    file = database_file(settings)
    try:
        if file is not None and (not file.exists() or file.stat().st_size == 0):
            return DatabaseContent.NOTHING
        database = Database(settings.database)
        try:
            with database.reading() as session:
                if schema_of(session.connection()) is None:
                    return DatabaseContent.NOTHING
                acted = session.scalar(select(AuditRow.seq).limit(1)) is not None
                return DatabaseContent.INSTALLATION if acted else DatabaseContent.UNFINISHED
        finally:
            database.close()
    except OSError as error:
        raise unreachable("read", error) from error
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise cannot_open(settings, error) from error


def demand_installation(settings: Settings) -> None:
    """Raise ConfigError with the command to type if the database holds no installation."""
    held = database_content(settings)
    if held is DatabaseContent.INSTALLATION:
        return
    name, found = database_name(settings), traces(settings, held)
    if found:
        raise _lost(settings, found)
    raise wrong_database(
        f"{name} does not exist, or is empty. Check --database and --state-dir, and that their disks are mounted. "
        f"For the first start of a new installation, type: {command('init', settings)}"
    )


def demand_no_installation(settings: Settings) -> None:
    """Raise ConfigError if there is already an installation, or a trace of one."""
    held = database_content(settings)
    if held is DatabaseContent.INSTALLATION:
        name = database_name(settings)
        raise wrong_database(f"{name} already holds an installation. To start it, type: {start_command(settings)}")
    found = traces(settings, held)
    if found:
        raise _lost(settings, found)


def wrong_database(message: str) -> ConfigError:
    """Return the error for a wrong database. `message` says why and what to do."""
    return ConfigError((Problem("--database", message),))


def _lost(settings: Settings, found: list[Path]) -> ConfigError:
    return wrong_database(
        f"{database_name(settings)} does not exist, or is empty, but files of an installation do: "
        f"{', '.join(map(str, found))}. Check --database, and that its disk is mounted; or restore a backup "
        "(dnsfilterctl restore). To make another installation, move these files away first"
    )


def open_database(settings: Settings, *, create: bool = False) -> Database:
    """Open the database of an installation and upgrade its schema. Raise UnavailableError."""
    database = Database(settings.database, create=create)
    try:
        database.migrate()
    except UnknownSchemaError as error:
        database.close()
        raise _of_another_version(settings) from error
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        database.close()
        raise cannot_open(settings, error) from error
    return database


def _of_another_version(settings: Settings) -> UnavailableError:
    """Return the error for a schema that this program does not know."""
    message = "the database is of another version of dnsfilter-api, probably a newer one. Install that version again"
    file = database_file(settings)
    if file is None:
        return UnavailableError(message)
    away = shlex.quote(f"{settings.state_dir}.replaced")
    moved = f"{shlex.quote(str(file))}* {shlex.quote(str(settings.token_key_path))}"
    return UnavailableError(
        f"{message}.\nOr restore the backup from before the upgrade, which loses the acts since:\n"
        f"mkdir -m 0700 {away} && mv {moved} {away} && dnsfilterctl restore FILE"
    )


def cannot_open(settings: Settings, error: Exception) -> UnavailableError:
    """Return the error for a database that cannot be opened."""
    name, cause = database_name(settings), getattr(error, "orig", None)
    if is_damage(cause):
        return UnavailableError(
            f"the database {name} is damaged: {cause}. Move it away and restore a backup (dnsfilterctl restore)"
        )
    if isinstance(cause, sqlite3.Error):
        return UnavailableError(f"cannot open the database {name}: {cause}. Check --database and its disk; {OWNER}")
    # The URL may hold a password, and drivers repeat it in their messages: give only the type.
    return UnavailableError(f"cannot open the database {name}: {type(error).__name__}; check --database")


def demand_key(settings: Settings, database: Database, key: bytes) -> None:
    """Raise ConfigError if the database's tokens are hashed under another key than `key`."""
    with database.reading() as session:
        known = recorded_fingerprint(session)
    if known not in (None, fingerprint(key)):
        raise wrong_database(
            f"{database_name(settings)} and {settings.token_key_path} are of different installations: no token would "
            "be valid. Check --database and --state-dir, or restore the database's own token-key"
        )


def demand_known_snapshots(settings: Settings, database: Database, publisher: Publisher) -> None:
    """Raise ConfigError if the database does not know the state directory's snapshots.

    They were made by another database, or by acts that this one has lost. A restored backup is accepted: the audit log
    records the restore.
    """
    stored, foreign = publisher.stored_revision(), publisher.stored_is_foreign()
    if stored is None:
        return
    with database.reading() as session:
        held, empty = revision(session), is_empty(session)
        trusted = not empty and restored_at(session) is not None
        known = recorded_fingerprint(session) is not None
    if trusted or (stored <= held and not (foreign and (stored == held or empty or not known))):
        return
    message = (
        f"{database_name(settings)}, at revision {held}, does not know revision {stored} in {settings.snapshot_dir}: "
        "it is another database, or an older copy. Check --database and --state-dir"
    )
    if not empty:
        message += f". If its policy is to replace that of the snapshots, type: {command('accept', settings)}"
    raise wrong_database(message)


def restored_at(session: Session) -> int | None:
    """Return when a restore made the database's current revision. Return None if no restore did."""
    columns = AuditRow.revision, AuditRow.time_s
    found = session.execute(
        select(*columns).where(AuditRow.act == RESTORE_ACT).order_by(AuditRow.seq.desc()).limit(1)
    ).first()
    return None if found is None or found.revision != revision(session) else found.time_s
