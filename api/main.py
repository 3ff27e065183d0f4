"""The `dnsfilter-api` command: the control plane as a process."""

import argparse
import gc
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from api.db.unusable import Unusable
from api.installation.environment import PACKAGED, read_environment
from api.settings import DEFAULTS, KEYS, PREFIX, Settings, parse_settings
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.logs import emit

HELP = (
    "serve (the default); init: make an installation; new-token: replace the administrator's token, and revoke the old "
    "one with all tokens that were made with it; new-keys: make missing keys; enrol-node: write a one-time token "
    "for this machine's node; accept: let this database replace the policy of snapshots that it does not know; "
    "check: print problems of the settings, and before init also addresses in use; "
    "openapi: print the API's description"
)
COMMANDS = ("init", "new-token", "new-keys", "enrol-node", "accept", "check")
"""Commands that act once and print what they did."""
NOISY = ("alembic", "httpx2", "uvicorn")
"""Libraries of which only warnings are logged. httpx logs each URL, which may hold a secret."""

log = logging.getLogger("dnsfilter.api")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. The exit code is 0 for done, 1 if something is missing or busy, 2 for wrong settings."""
    # Collecting garbage during imports takes a fifth of a start and frees nothing. Serving enables it.
    gc.disable()
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.keep and arguments.command != "new-token":
        parser.error("--keep goes with new-token only: dnsfilter-api new-token --keep")
    if arguments.command == "openapi":
        from api.application import make_description

        print(json.dumps(make_description([]).openapi(), indent=1))
        return 0
    logs.setup()
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.umask(0o027)
    try:
        settings = _settings(arguments)
        return _run(arguments, settings)
    except ConfigError as error:
        for problem in error.problems:
            print(f"dnsfilter-api: {problem}", file=sys.stderr)
        return 2
    except (UnavailableError, Unusable) as error:
        for line in str(error).splitlines():
            print(f"dnsfilter-api: {line}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Act once, or serve. Each imports only what it needs: a command starts in a third of the server's time."""
    from api.installation import commands, opening
    from api.installation.owner import become_owner

    try:
        become_owner(settings, create=arguments.create or arguments.command == "init")
        if arguments.command in COMMANDS:
            gc.enable()
            print(f"dnsfilter-api: {commands.run(arguments.command, settings, keep=arguments.keep)}")
            return 0
        if arguments.create and commands.is_first_start(settings):
            emit(log, logging.INFO, "first start", done=commands.create(settings))
        from api.serving import serve

        return serve(settings)
    except SQLAlchemyError as error:
        print(f"dnsfilter-api: {opening.cannot_open(settings, error)}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="dnsfilter-api",
        description="The control plane of dnsfilter.",
        epilog=f"Settings also come from {PREFIX}* in the environment. Root acts as the owner of the state directory. "
        "Exit codes: 0 done, 1 something is missing or in use, 2 wrong settings.",
    )
    words = ("serve", "openapi", *COMMANDS)
    parser.add_argument("command", nargs="?", default="serve", choices=words, metavar="COMMAND", help=HELP)
    parser.add_argument(
        "--create", action="store_true", help="run init if there is no trace of an installation, then serve"
    )
    parser.add_argument(
        "--keep", action="store_true", help="new-token: revoke none; use it if the token is lost and nobody else has it"
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help=f"file of variables in systemd's syntax ({PACKAGED}, unless a setting names another state directory)",
    )
    parser.add_argument("--state-dir", metavar="DIR", help=f"database, token, snapshots ({DEFAULTS['state_dir']})")
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS:PORT|unix:PATH",
        help=f"the API's address ({DEFAULTS['listen']}); for several, repeat it or use commas; a socket for a proxy",
    )
    parser.add_argument("--metrics-listen", metavar="ADDRESS:PORT", help=f"metrics ({DEFAULTS['metrics_listen']})")
    parser.add_argument("--database", metavar="URL", help="SQLite or PostgreSQL (SQLite in the state directory)")
    parser.add_argument("--init-policy", metavar="FILE", help="a policy to load into an empty database")
    parser.add_argument("--tls-certificate", metavar="FILE", help="the certificate and its intermediates, PEM")
    parser.add_argument(
        "--tls-key", metavar="FILE", help="its key, PEM without a password; both files are reloaded when they change"
    )
    parser.add_argument(
        "--allow-plain", action="store_const", const="true", help="allow plain HTTP on addresses that others can reach"
    )
    parser.add_argument(
        "--accept-damage", action="store_const", const="true", help="accept acts even if the database is damaged"
    )
    parser.add_argument("--snapshot-key", metavar="FILE", help="key that signs snapshots (in the state directory)")
    parser.add_argument(
        "--checkpoint-key", metavar="FILE", help="key that signs checkpoints of the audit log (in the state directory)"
    )
    _add_destinations(parser)
    return parser


def _add_destinations(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is sent away: checkpoints, events, notices."""
    parser.add_argument("--checkpoint-file", metavar="FILE", help="append checkpoints to this file")
    parser.add_argument(
        "--checkpoint-mail", metavar="URL", help="mail checkpoints: smtp://HOST:PORT?from=ADDRESS&to=ADDRESS"
    )
    parser.add_argument(
        "--checkpoint-syslog", metavar="URL|PATH", help="log checkpoints: udp://HOST:PORT, tcp://…, tls://… or /dev/log"
    )
    parser.add_argument("--events-file", metavar="FILE", help="append acts and notices to this file, as JSON lines")
    parser.add_argument(
        "--events-syslog",
        metavar="URL|PATH",
        help="log acts and notices: udp://HOST:PORT, tcp://…, tls://… or /dev/log",
    )
    parser.add_argument(
        "--webhook-networks",
        metavar="PREFIXES",
        help="private networks at which webhooks may be, separated by commas: 10.20.0.0/16,fd00::/8",
    )
    parser.add_argument(
        "--catalogue-key",
        metavar="KEY",
        help="trust catalogues signed under this public key: 64 hexadecimal digits (default: the key of the project)",
    )
    parser.add_argument(
        "--feed-networks",
        metavar="PREFIXES",
        help="private networks at which feeds may be, separated by commas: 10.20.0.0/16,fd00::/8",
    )
    parser.add_argument("--feed-dir", metavar="DIR", help="directory of the files that feeds may be read from")
    parser.add_argument("--console-url", metavar="URL", help="the console's address in browsers: https://HOST")
    parser.add_argument(
        "--oidc-issuer", metavar="URL", help="sign people in to the console with this provider of OpenID Connect"
    )
    parser.add_argument("--oidc-client-id", metavar="ID", help="this installation's client at the provider")
    parser.add_argument("--oidc-client-secret-file", metavar="FILE", help="file with the client's secret")
    parser.add_argument(
        "--oidc-claim", metavar="CLAIM", help="the claim that is an account's login (preferred_username)"
    )
    parser.add_argument(
        "--oidc-domain", metavar="DOMAIN", help="the claim is LOGIN@DOMAIN: accept only this domain, and leave it out"
    )
    parser.add_argument(
        "--notices-mail",
        metavar="URL",
        help="mail notices to authorities: smtp://HOST:PORT?from=ADDRESS&to=ADDRESS",
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    # Set them in the environment itself: libraries read variables too (PGPASSFILE, TZ).
    os.environ.update(read_environment(os.environ, arguments.state_dir, arguments.env_file))
    given = {key: getattr(arguments, key) for key in KEYS}
    given["listen"] = arguments.listen and ",".join(arguments.listen)
    return parse_settings(given, os.environ, arguments.env_file)


if __name__ == "__main__":
    sys.exit(main())
