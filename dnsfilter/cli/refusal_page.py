"""`dnsfilter refusal-page`: explain refusals by HTTP to clients that a ban sends to this machine's address."""

import argparse
import asyncio

from dnsfilter.cli.options import DONE, Commands, add_command, add_files, config_of, store_of
from dnsfilter.config.endpoint import endpoint_text, parse_endpoint
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs

PORT = 80


def add(commands: Commands) -> None:
    """Add the command."""
    text = "explain refusals by HTTP to clients of bans that reply with this machine's address"
    command = add_command(commands, "refusal-page", refusal_page, text)
    add_files(command)
    command.add_argument(
        "--listen",
        action="append",
        default=[],
        type=_endpoint,
        metavar="ADDRESS",
        help=f"address, with a port other than {PORT} if given; repeatable (default: the sockets from systemd)",
    )


def refusal_page(options: argparse.Namespace) -> int:
    """Serve the page until SIGTERM or SIGINT."""
    from dnsfilter.refusal_page.server import RefusalServer, bound, handed_over

    config = config_of(options)
    logs.setup()
    sockets = handed_over()
    for each in options.listen:
        try:
            sockets.append(bound(each.address, each.port))
        except OSError as error:
            raise UnavailableError(
                f"listen at {endpoint_text(each)}: {error.strerror}: choose another address"
            ) from error
    if not sockets:
        message = "give --listen ADDRESS, or start dnsfilter-refusal-page.socket"
        raise ConfigError((Problem("command line", message),))
    store, site = store_of(options, config), config.control_plane.site
    feed = PolicyFeed(store, site, node_dir=config.node_dir, read_only=True, trust_clock=config.trust_clock)
    try:
        asyncio.run(RefusalServer(feed).run(sockets))
    finally:
        feed.close()
    return DONE


def _endpoint(text: str) -> Endpoint:
    try:
        return parse_endpoint(text, PORT)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
