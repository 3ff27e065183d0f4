"""`dnsfilter cache flush`: have the running node forget cached answers."""

import argparse
import sys

from dnsfilter.cli.options import DONE, WRONG_INPUT, Commands, add_command, add_files, add_group, local_node
from dnsfilter.telemetry.terminal import say


def add(commands: Commands) -> None:
    """Add the command."""
    group = add_group(commands, "cache", "forget cached answers")
    text = "have the running node forget cached answers; it asks its upstreams again"
    flush = add_command(group, "flush", _flush, text)
    add_files(flush)
    which = flush.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME", help="name whose answers to forget, or a URL with the name")
    which.add_argument("--suffix", metavar="NAME", help="answers about this name and all names below it")
    which.add_argument("--all", action="store_true", help="all answers")


def _flush(options: argparse.Namespace) -> int:
    """Flush the cache. Return exit code 2 for a wrong name."""
    from dnsfilter.local.flush import WantedFlush
    from dnsfilter.wire.name_or_url import parse_typed_name
    from dnsfilter.wire.names import ROOT

    try:
        name = ROOT if options.all else parse_typed_name(options.name or options.suffix)
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    wanted = WantedFlush(name, below=options.all or options.suffix is not None)
    local_node(options).flush_cache(wanted)
    say(f"the running node forgets {wanted}")
    return DONE
