"""`dnsfilter up`: run resolver and control plane together on this machine. See single_machine.py."""

import argparse
import sys
from pathlib import Path

from dnsfilter.cli.options import WRONG_INPUT, Commands, add_command
from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.upstreams.presets import is_word
from dnsfilter.config.values import read_server
from dnsfilter.telemetry.terminal import say


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "up", up, "run resolver and control plane together on this machine")
    command.set_defaults(is_service=True)
    command.add_argument(
        "--state-dir",
        type=Path,
        default=Path(".run"),
        help="directory for database, snapshots and token (default: .run)",
    )
    command.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="SERVER",
        help="server to forward queries to, such as 192.0.2.1:53, or a public resolver such as dns4eu (repeatable)",
    )
    command.add_argument("--policy", type=Path, help="policy file to load into an empty database")
    command.add_argument("--workers", type=int, help="number of worker processes (default: one for each core)")
    command.add_argument("--listen", default="127.0.0.1:5300", help="address for DNS (default: %(default)s)")
    command.add_argument(
        "--metrics-listen", default="127.0.0.1:9153", help="address for the resolver's metrics (default: %(default)s)"
    )
    command.add_argument("--api-listen", default="127.0.0.1:8080", help="address for the API (default: %(default)s)")
    command.add_argument(
        "--api-metrics-listen", default="127.0.0.1:9154", help="address for the API's metrics (default: %(default)s)"
    )


def up(options: argparse.Namespace) -> int:
    """Run resolver and control plane until Ctrl-C."""
    from dnsfilter.cli.single_machine import Options, run_single

    try:
        endpoints = [
            parse_endpoint(text)
            for text in (options.listen, options.metrics_listen, options.api_listen, options.api_metrics_listen)
        ]
        words = options.upstream
        upstreams = words[0] if len(words) == 1 and is_word(words[0]) else tuple(map(read_server, words))
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    return run_single(Options(options.state_dir, options.policy, upstreams, options.workers, *endpoints))
