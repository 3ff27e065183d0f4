"""dnsfilterctl backup and restore.

A backup comes from the API, so that it can be made from another machine. A restore is local, because no API runs yet;
only this command imports code of the control plane.
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
from api.ctl.command import PROGRAM, Group, Options, Result, Verb
from api.ctl.display.local_times import at_words
from api.ctl.display.progress import Progress, with_progress
from api.ctl.exit_codes import FOUND, WrongInput
from api.ctl.input_files import SECRET, CountedFile, write_atomically
from api.ctl.remote.client import Client, path

if TYPE_CHECKING:
    from api.settings import Settings


def add(groups: Group) -> None:
    """Add the commands."""
    backup = groups.add_command(
        "backup",
        _backup,
        "backup dnsfilter.backup",
        "backup dnsfilter.backup --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="backup to write, atomically; readable only by you")
    backup.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="KEY",
        help="encrypt to this age public key before anything is written; may be repeated",
    )
    restore = groups.add_command(
        "restore",
        Verb(_restore, needs_token=False, local=True),
        "restore dnsfilter.backup --state-dir .run",
        "restore dnsfilter.backup --identity key.txt",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="backup to restore")
    restore.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="settings of the control plane (default: /etc/dnsfilter/api.env, unless --state-dir names another "
        "installation)",
    )
    restore.add_argument("--state-dir", metavar="DIR", help="state directory to create (default: from the settings)")
    restore.add_argument(
        "--database",
        metavar="URL",
        help="SQLite or PostgreSQL URL (default: from the settings, else SQLite in the state directory)",
    )
    restore.add_argument(
        "--accept-damage",
        action="store_true",
        help="restore even if the audit log in the backup was damaged; exit code 1, kept in the audit log",
    )
    restore.add_argument(
        "--identity",
        type=Path,
        metavar="FILE",
        help="file with the secret key (of the program `age`) that decrypts the backup",
    )


def _backup(client: Client, options: Options) -> Result:
    try:
        recipients = parse_recipients(options.recipient)
    except ValueError as error:
        raise WrongInput(str(error)) from error
    with write_atomically(options.file, SECRET) as file:
        counted = CountedFile(file)
        pieces = with_progress(client.pieces(path("backup")), "backup")
        if recipients:
            encrypt(pieces, counted, recipients)
        else:
            for piece in pieces:
                counted.write(piece)
    found = {
        "file": str(options.file),
        "bytes": counted.size,
        "sha256": counted.digest,
        "encrypted": bool(recipients),
    }
    return Result(found, lambda: _backed_up(options.file, counted, encrypted=bool(recipients)))


def _backed_up(target: Path, counted: CountedFile, *, encrypted: bool) -> Iterator[str]:
    yield f"backup written to {target}: {counted.size} bytes{', encrypted' if encrypted else ''}"
    yield f"SHA-256 {counted.digest}"
    if not encrypted:
        yield "It holds names, hashes of tokens and their key. Protect it like the database."


def _restore(_client: Client, options: Options) -> Result:
    # Decrypt into a file without a name, because it holds secrets.
    with tempfile.TemporaryFile() as plain:
        try:
            with options.file.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
                file.seek(0)
                if file.read(len(MAGIC)) == MAGIC:
                    file.seek(0)
                    _decrypt(file, plain, options)
                    return _restored(plain, digest, options)
                if options.identity is not None:
                    raise WrongInput(f"{options.file} is not encrypted. Leave out --identity.")
                return _restored(file, digest, options)
        except OSError as error:
            raise WrongInput(f"cannot read {options.file}: {error.strerror}") from error


def _restored(plain: IO[bytes], digest: str, options: Options) -> Result:
    # Imported here, because a client of the API needs no database.
    from sqlalchemy.exc import SQLAlchemyError

    from api.archive.backup_format import BadBackup
    from api.archive.restore import NotEmpty, RestoreOptions, restore
    from api.installation.owner import owner_of
    from dnsfilter.errors import ConfigError, UnavailableError

    try:
        settings = _settings(options)
        with Progress() as progress:
            order = RestoreOptions(digest, int(time.time()), options.accept_damage, progress.say)
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
        # Print only the type: the URL may hold a password, and drivers repeat it.
        raise WrongInput(f"cannot use the database: {type(error).__name__}. Check --database.") from error
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
        f"restored: installation {manifest.installation} as of {at_words(manifest.time)}, {done.rows} rows",
        f"the audit log in the backup ends with entry {manifest.audit.seq}, {manifest.audit.hash}",
        "the restore is the next entry",
        f"revision {done.revision} takes effect when the control plane starts",
        *_next_steps(settings),
        "tokens that were revoked after the backup may be valid again: revoke them again",
    ]
    if done.fault is not None:
        return Result(found, lambda: lines, FOUND, (f"{PROGRAM}: warning: {done.fault}; kept in the audit log",))
    return Result(found, lambda: lines)


def _settings(options: Options) -> "Settings":
    """Return the settings that locate the installation. Raise ConfigError."""
    from api.installation.environment import read_environment
    from api.settings import LOCATION_KEYS, PREFIX, parse_settings

    os.environ.update(read_environment(os.environ, options.state_dir, options.env_file))
    # Ignore other settings: a certificate, for example, may not exist yet.
    names = {PREFIX + key.upper() for key in LOCATION_KEYS}
    environ = {name: value for name, value in os.environ.items() if name in names}
    given = {"state_dir": options.state_dir, "database": options.database}
    return parse_settings(given, environ, options.env_file)


def _next_steps(settings: "Settings") -> Iterator[str]:
    """Yield what to do after a restore."""
    from api.installation.opening import command, start_command

    yield "next, restore your copies of two keys, which are not in the backup:"
    yield f"  {settings.snapshot_key}"
    yield f"  {settings.checkpoint_key}"
    yield "if you have no copies, make new keys, and enrol each node again:"
    yield f"  {command('new-keys', settings)}"
    yield "start:"
    yield f"  {start_command(settings)}"
    yield "tokens stay valid; if you have none:"
    yield f"  {command('new-token', settings)} --keep"


def _decrypt(file: IO[bytes], plain: IO[bytes], options: Options) -> None:
    if options.identity is None:
        raise WrongInput(f"{options.file} is encrypted. Name the file of its secret key with --identity.")
    try:
        with options.identity.open(encoding="utf-8") as keys:
            identities = parse_identities(keys.read(MAX_IDENTITIES))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WrongInput(f"cannot use the key in {options.identity}: {reason}") from error
    try:
        decrypt(file, plain, identities)
    except NotDecrypted as error:
        raise WrongInput(f"cannot decrypt {options.file}: {error}") from error
    plain.seek(0)
