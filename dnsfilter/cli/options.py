"""Shared by the commands: exit codes, options for files, and the store that these mean."""

import argparse
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.local.private_files import make_private
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.worker.privileges import node_user

if TYPE_CHECKING:
    from dnsfilter.local.local_node import LocalNode

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DONE, FOUND, WRONG_INPUT = 0, 1, 2
UNIT_CONFIG = Path("/etc/dnsfilter/dnsfilter.toml")
"""The file that the systemd unit reads."""
CONFIG_HELP = f"configuration (TOML; default: {UNIT_CONFIG}, if it exists)"
_LOG = logging.getLogger("dnsfilter.node")


def add_command(commands: Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    """Add a command. `run` carries it out: it gets the options and returns the exit code."""
    command = _add_parser(commands, name, text)
    command.set_defaults(run=run)
    return command


def add_group(commands: Commands, name: str, text: str) -> Commands:
    """Add a command that only holds other commands. Return what they are added to."""
    return _add_parser(commands, name, text).add_subparsers(required=True, metavar="COMMAND")


def _add_parser(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def add_files(command: argparse.ArgumentParser) -> None:
    """Add `--config` and `--policy`."""
    command.add_argument("--config", type=Path, help=f"{CONFIG_HELP}; if only --policy is given, the defaults")
    command.add_argument("--policy", type=Path, help="policy file (TOML), to decide by it without a control plane")


def config_path(named: Path | None) -> Path:
    """Return the named configuration, else that of the unit. Raise ConfigError if there is neither."""
    if named is not None:
        return named
    if not UNIT_CONFIG.exists():
        raise ConfigError((Problem("command line", f"give --config: {UNIT_CONFIG} does not exist"),))
    return UNIT_CONFIG


def has_only_policy(options: argparse.Namespace) -> bool:
    """Return whether the options name a policy file and no configuration: then the defaults count."""
    return options.config is None and options.policy is not None


def config_of(options: argparse.Namespace) -> Config:
    """Load the configuration that the options mean. Raise ConfigError with every problem."""
    from dnsfilter.config.load import default_config, load_config

    return default_config() if has_only_policy(options) else load_config(config_path(options.config))


def named_file(options: argparse.Namespace) -> Path:
    """Return the file by which commands find the running node. It may be missing."""
    return Path(options.policy) if has_only_policy(options) else options.config or UNIT_CONFIG


def node_uid(options: argparse.Namespace) -> int | None:
    """Return the user that a node runs as, as far as its configuration can be read. None if there is no such user."""
    try:
        user = node_user(config_of(options).user)
    except ConfigError:
        user = node_user(None)
    return None if user is None else user.pw_uid


def follows(options: argparse.Namespace, config: Config) -> bool:
    """Return whether this node pulls its policy from a control plane."""
    return options.policy is None and config.control_plane.url is not None


def store_of(options: argparse.Namespace, config: Config) -> SnapshotStore:
    """Return the store that this node decides by: the one that it pulls into, or one for its policy file.

    Without both it is the one into which a control plane on this machine publishes.
    """
    if follows(options, config):
        return SnapshotStore(config.node_dir / "snapshots")
    return SnapshotStore(config.state_dir / ("snapshots" if options.policy is None else "policy-snapshots"))


def node_dir(config: Config) -> Path:
    """Make and return the node's own directory. Call it as the node's user. Local acts need the directory."""
    try:
        make_private(config.node_dir)
    except UnavailableError as error:
        logs.emit(_LOG, logging.WARNING, "local acts on this node are not possible", reason=error)
    return config.node_dir


def local_node(options: argparse.Namespace, config: Config | None = None) -> "LocalNode":
    """Return the node that the options name, for local acts, by its configuration or as `config_or_running` has it."""
    from dnsfilter.cli.running.known_config import config_or_running
    from dnsfilter.local.local_node import LocalNode

    config = config_or_running(options) if config is None else config
    return LocalNode(config, store_of(options, config), by_policy_file=options.policy is not None)


def program_path(name: str) -> str:
    """Return the program of that name in the directory of the running one, else on the path."""
    neighbour = Path(sys.argv[0]).resolve().with_name(name)
    found = str(neighbour) if neighbour.exists() else shutil.which(name)
    if found is None:
        raise UnavailableError(
            f"find program {name}: it is neither in {neighbour.parent} nor on PATH: install it, or extend PATH"
        )
    return found
