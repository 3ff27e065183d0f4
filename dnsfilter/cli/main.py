"""The `dnsfilter` command: all commands on a node. It joins the catalogue and the resolver."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dnsfilter import __version__
from dnsfilter.cli.options import DONE, FOUND, WRONG_INPUT, Commands
from dnsfilter.errors import ConfigError, DnsfilterError
from dnsfilter.shell_completion import add_completion
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.worker.zygote import Zygote


def main(arguments: Sequence[str] | None = None, zygote: "Zygote | None" = None) -> None:
    """Run one command and exit. `zygote` is for a node that serves."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = _serving_parser() if given[:1] == ["serve"] else make_parser()
    options = parser.parse_args(given, argparse.Namespace(zygote=zygote, is_service=False))
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        if options.is_service:
            raise
        # The reader has closed the pipe. The interpreter must not try to flush the output again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except ConfigError as error:
        for problem in error.problems:
            say(problem, file=sys.stderr)
        code = WRONG_INPUT
    except DnsfilterError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        code = FOUND
    except KeyboardInterrupt:
        code = FOUND
    sys.exit(code)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from dnsfilter.cli import check, enrol, explain, firewall, lists, name, refusal_page, serve, snapshot, suspend, up
    from dnsfilter.cli.doctor import command as doctor
    from dnsfilter.cli.running import cache, drain, query, reload, top
    from dnsfilter.cli.setup import command as setup

    parser, commands = _empty_parser()
    topics = (
        *(setup, serve, check, reload, doctor, top, explain, query),
        *(enrol, suspend, name, snapshot, lists, cache, drain, firewall, refusal_page, up),
    )
    for command in topics:
        command.add(commands)
    add_completion(commands, make_parser)
    return parser


def _serving_parser() -> argparse.ArgumentParser:
    """Return the parser of `serve` alone: a node keeps what it imports, and waits for it at its start."""
    from dnsfilter.cli import serve

    parser, commands = _empty_parser()
    serve.add(commands)
    return parser


def _empty_parser() -> tuple[argparse.ArgumentParser, Commands]:
    parser = argparse.ArgumentParser(
        prog="dnsfilter",
        description="A DNS resolver that carries out bans.",
        epilog="Exit codes: 0 done, 1 a check found a problem or something needed is missing, 2 wrong input.",
    )
    parser.add_argument("--version", action="version", version=f"dnsfilter {__version__}")
    return parser, parser.add_subparsers(required=True, metavar="COMMAND")
