"""`dnsfilter enrol`: enrol this node at its control plane with a one-time token."""

import argparse
from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.options import CONFIG_HELP, DONE, Commands, add_command, config_path
from dnsfilter.config.load import load_config
from dnsfilter.control.identity import is_key, load_token
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.supervisor.start import drop_root
from dnsfilter.telemetry.terminal import say


def add(commands: Commands) -> None:
    """Add the command."""
    enrol = add_command(commands, "enrol", enrol_node, "enrol this node at its control plane with a one-time token")
    enrol.add_argument("--config", type=Path, help=f"{CONFIG_HELP}, with control_plane.url")
    enrol.add_argument("--token-file", type=Path, required=True, help="file with the one-time token")
    enrol.add_argument("--ca", type=Path, help="certificates of the authority that signs the control plane's (PEM)")
    enrol.add_argument(
        "--key", metavar="HEX", help="the key of snapshots that `dnsfilterctl node key` prints; refuse any other"
    )
    enrol.add_argument("--allow-plain", action="store_true", help="permit plain HTTP to another machine")


def enrol_node(options: argparse.Namespace) -> int:
    """Exchange the one-time token for an identity and store it. Raise DnsfilterError if that fails."""
    from dnsfilter.control.enrolment import enrol

    path = config_path(options.config)
    config = load_config(path)
    control = config.control_plane
    if control.url is None:
        raise ConfigError(
            (Problem(f"{path}: control_plane.url", "is missing: set it to the URL of the control plane"),)
        )
    if options.key is not None and not is_key(options.key):
        raise ConfigError((Problem("--key", "give the 64 hexadecimal digits that `dnsfilterctl node key` prints"),))
    token = load_token(options.token_file)
    drop_root(config)
    control = replace(control, ca=options.ca or control.ca, key=options.key or control.key)
    identity = enrol(control, token, config.node_dir, allow_plain=options.allow_plain)
    say(f"enrolled at {control.url} as {identity.name}, site {identity.site}; identity stored in {config.node_dir}")
    say(f"this node accepts only snapshots that are signed with the key {identity.key}")
    return DONE
