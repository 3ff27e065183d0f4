"""`dnsfilter drain`: withdraw this node, let it answer on for some seconds, then end it."""

import argparse
import socket
import time

from dnsfilter.cli.options import DONE, Commands, add_command, add_files, local_node
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.telemetry.terminal import say

END_S = 15.0
"""Seconds that the node may take to answer its pending queries and end."""
PAUSE_S = 0.1


def add(commands: Commands) -> None:
    """Add the command."""
    text = "withdraw this node: /readyz answers 503 at once, and after some seconds the node ends"
    command = add_command(commands, "drain", drain, text)
    add_files(command)
    command.add_argument(
        "--for",
        dest="for_s",
        type=int,
        default=10,
        metavar="SECONDS",
        help="time in which the node still answers while routers or the second node take over (default: %(default)s)",
    )


def drain(options: argparse.Namespace) -> int:
    """Drain the node and wait for its end."""
    from dnsfilter.cli.running.known_config import config_or_running
    from dnsfilter.cli.running.status_page import reached_at
    from dnsfilter.local.drain_request import MOST_S

    if not 0 <= options.for_s <= MOST_S:
        raise ConfigError((Problem("--for", f"must be between 0 and {MOST_S} seconds"),))
    config = config_or_running(options)
    status = reached_at(config.metrics_listen)
    if not _accepts(status):
        advice = "type systemctl status dnsfilter; if metrics_listen changed since the node's start, set the old value"
        raise UnavailableError(f"drain: no running node at {endpoint_text(status)}: {advice}")
    local_node(options, config).drain(options.for_s)
    say(f"this node is withdrawn and ends in {options.for_s} s; to undo: systemctl restart dnsfilter", flush=True)
    deadline = time.monotonic() + options.for_s + END_S
    while _accepts(status):
        if time.monotonic() > deadline:
            raise UnavailableError("drain: the node still runs: type systemctl stop dnsfilter")
        time.sleep(PAUSE_S)
    say("the node has ended")
    return DONE


def _accepts(status: Endpoint) -> bool:
    """Return whether the node's status server still accepts connections. Only a refused one shows that it does not."""
    try:
        socket.create_connection((str(status.address), status.port), timeout=1).close()
    except OSError as error:
        return not isinstance(error, ConnectionRefusedError)
    return True
