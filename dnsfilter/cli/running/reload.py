"""`dnsfilter reload`: have the running node read its files again, and wait until it answers by them."""

import argparse

from dnsfilter.cli.options import DONE, Commands, add_command, add_files
from dnsfilter.telemetry.terminal import say


def add(commands: Commands) -> None:
    """Add the command."""
    text = "have the running node read its files again, and wait until it answers by them"
    add_files(add_command(commands, "reload", reload, text))


def reload(options: argparse.Namespace) -> int:
    """Reload. Raise UnavailableError with the reason if the node does not answer by the files as they are now."""
    from dnsfilter.cli.options import named_file, node_uid
    from dnsfilter.errors import UnavailableError
    from dnsfilter.local.running_node import reload_node

    path = named_file(options)
    reason = reload_node(path, node_uid=node_uid(options))
    if reason:
        raise UnavailableError(f"not reloaded: {reason}")
    say(f"the node answers by {path} as it is now")
    return DONE
