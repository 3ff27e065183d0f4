"""dnsfilterctl backup and restore: everything, into a file and back.

A backup comes from the API, so that it can be made from another machine; a restore is local, where no API runs yet.
What it needs of the control plane is loaded by it alone.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import IO, TYPE_CHECKING

from api.archive.encryption import (
    MAGIC,
    MAX_IDENTITIES,
    NotDecrypted,
    decrypt,
    encrypt,
    parse_identities,
    parse_recipients,
)
from api.ctl.command import PROGRAM, Group, Options, Result, Verb, add_verb
from api.ctl.display.local_times import at_words
from api.ctl.display.progress import Progress, shown
from api.ctl.exit_codes import FOUND, WrongInput
from api.ctl.input_files import SECRET, Counted, writing
from api.ctl.remote.client import Client, path

if TYPE_CHECKING:
    from api.settings import Settings


def add(groups: Group) -> None:
    """Add the commands."""
    backup = add_verb(
        groups,
        "backup",
        _backup,
        "write everything that the control plane has to a file: policy, accounts, tokens' hashes, the record",
        "backup dnsfilter.backup",
        "backup dnsfilter.backup --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="written whole or not at all, readable by you alone")
    backup.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="KEY",
        help="encrypt to this public key of age, before anything is written; may be repeated",
    )
    restore = add_verb(
        groups,
        "restore",
        Verb(_restore, needs_token=False, local=True),
        "make a control plane of a backup, on this machine, where there is none yet and nothing runs",
        "restore dnsfilter.backup --state-dir .run",
        "restore dnsfilter.backup --identity key.txt",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="the backup")
    restore.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="settings of the control plane (/etc/dnsfilter/api.env, unless --state-dir names another installation)",
    )
    restore.add_argument("--state-dir", metavar="DIR", help="the state directory to make (of the settings)")
    restore.add_argument(
        "--database", metavar="URL", help="SQLite or PostgreSQL (of the settings, else SQLite in the state directory)"
    )
    restore.add_argument(
        "--accept-damage",
        action="store_true",
        help="restore also where the record's chain did not hold when the backup was made: exit code 1, and on record",
    )
    restore.add_argument("--identity", type=Path, metavar="FILE", help="the secret key of age of an encrypted backup")


def _backup(client: Client, options: Options) -> Result:
    try:
        recipients = parse_recipients(options.recipient)
    except ValueError as error:
        raise WrongInput(str(error)) from error
    with writing(options.file, SECRET) as file:
        counted = Counted(file)
        pieces = shown(client.pieces(path("backup")), "backup")
        if recipients:
            encrypt(pieces, counted, recipients)
        else:
            for piece in pieces:
                counted.write(piece)
    found = {
        "file": str(options.file),
        "octets": counted.octets,
        "sha256": counted.digest,
        "encrypted": bool(recipients),
    }
    return Result(found, lambda: _backed_up(options.file, counted, encrypted=bool(recipients)))


def _backed_up(target: Path, counted: Counted, *, encrypted: bool) -> Iterator[str]:
    yield f"backup written to {target}: {counted.octets} octets{', encrypted' if encrypted else ''}"
    yield f"SHA-256 {counted.digest}"
    if not encrypted:
        yield "it holds names, tokens' hashes and their key: keep it as you keep the database"


def _restore(_client: Client, options: Options) -> Result:
    # What is decrypted goes into a file without a name: it holds secrets.
    with tempfile.TemporaryFile() as room:
        try:
            with options.file.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
                file.seek(0)
                if file.read(len(MAGIC)) == MAGIC:
                    file.seek(0)
                    _decrypt(file, room, options)
                    return _restored(room, digest, options)
                if options.identity is not None:
                    raise WrongInput(f"{options.file} is not encrypted: leave out --identity")
                return _restored(file, digest, options)
        except OSError as error:
            raise WrongInput(f"cannot read {options.file}: {error.strerror}") from error


def _restored(plain: IO[bytes], digest: str, options: Options) -> Result:
    # Imported here: a client of the API has no use for the database.
    from sqlalchemy.exc import SQLAlchemyError

    from api.archive.backup_format import BadBackup
    from api.archive.restore import NotEmpty, Order, restore
    from api.installation.owner import owner_of
    from dnsfilter.errors import ConfigError, UnavailableError

    try:
        settings = _settings(options)
        with Progress() as progress:
            order = Order(digest, int(time.time()), options.accept_damage, progress.say)
            done = restore(plain, order, settings, owner_of(settings))
    except ConfigError as error:
        raise WrongInput(*(f"{problem}" for problem in error.problems)) from error
    except UnavailableError as error:
        raise WrongInput(f"nothing is restored: {error}") from error
    except BadBackup as error:
        raise WrongInput(f"{options.file} is not restored: {error}") from error
    except NotEmpty as error:
        raise WrongInput(f"nothing is restored: {error}") from error
    except OSError as error:
        raise WrongInput(f"cannot write {error.filename or settings.state_dir}: {error.strerror}") from error
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        # The URL may carry a password, and drivers repeat it: the type has to do.
        raise WrongInput(f"cannot use the database: {type(error).__name__}; check --database") from error
    manifest = done.manifest
    found = {
        "installation": manifest.installation,
        "made": manifest.time,
        "version": manifest.version,
        "sha256": digest,
        "rows": done.rows,
        "audit": manifest.audit.model_dump(),
        "revision": done.revision,
        "state_dir": str(settings.state_dir),
        "owner": done.owner,
        "fault": done.fault,
    }
    lines = [
        f"restored: the installation {manifest.installation} as of {at_words(manifest.time)}, {done.rows} rows",
        f"the record goes up to entry {manifest.audit.seq}, {manifest.audit.hash}; the restore is on record after it",
        f"revision {done.revision} comes into force when the control plane starts",
        *_next_steps(settings),
        "tokens that were revoked after the backup may be valid again: revoke them again",
    ]
    if done.fault is not None:
        return Result(found, lambda: lines, FOUND, (f"{PROGRAM}: warning: {done.fault}; this is on record",))
    return Result(found, lambda: lines)


def _settings(options: Options) -> "Settings":
    """The settings that say where the installation is to be. Raises ConfigError."""
    from api.installation.environment import read_environment
    from api.settings import PREFIX, WHERE, parse_settings

    os.environ.update(read_environment(os.environ, options.state_dir, options.env_file))
    # The others are the control plane's to read: a certificate may come later.
    names = {PREFIX + key.upper() for key in WHERE}
    environ = {name: value for name, value in os.environ.items() if name in names}
    given = {"state_dir": options.state_dir, "database": options.database}
    return parse_settings(given, environ, options.env_file)


def _next_steps(settings: "Settings") -> Iterator[str]:
    """What to type after a restore."""
    from api.installation.opening import command, start_command

    yield "next, put the copies of two keys back, which no backup has:"
    yield f"  {settings.snapshot_key}"
    yield f"  {settings.checkpoint_key}"
    yield "if there are none, make others, and enrol each node again:"
    yield f"  {command('new-keys', settings)}"
    yield "start:"
    yield f"  {start_command(settings)}"
    yield "tokens are known as before; if none is at hand:"
    yield f"  {command('new-token', settings)} --keep"


def _decrypt(file: IO[bytes], room: IO[bytes], options: Options) -> None:
    if options.identity is None:
        raise WrongInput(f"{options.file} is encrypted: name the file of its secret key with --identity")
    try:
        with options.identity.open(encoding="utf-8") as keys:
            identities = parse_identities(keys.read(MAX_IDENTITIES))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WrongInput(f"cannot use the key in {options.identity}: {reason}") from error
    try:
        decrypt(file, room, identities)
    except NotDecrypted as error:
        raise WrongInput(f"cannot decrypt {options.file}: {error}") from error
    room.seek(0)
