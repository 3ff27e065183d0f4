"""The configuration that the running node answers by, also if its file is damaged or was changed since."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from dnsfilter.cli.options import config_of, has_only_policy, named_file
from dnsfilter.config.load import default_config, parse_config
from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.local.running_node import RunningConfig, running_config
from dnsfilter.policy.calendar import instant_text
from dnsfilter.telemetry.terminal import say
from dnsfilter.worker.privileges import node_user


@dataclass(frozen=True, slots=True)
class KnownConfig:
    """The configuration to look at a node by: `config` is that of the running node, else that of the file.

    `written` is that of the file, None if it has `faults`. `running` is the node's answer, or why there is none.
    """

    path: Path
    config: Config
    written: Config | None
    faults: tuple[Problem, ...]
    running: RunningConfig | str

    @property
    def trouble(self) -> str:
        """Return why the node does not answer by its files as they are now. Empty if it does, or if it is not known."""
        if isinstance(self.running, str):
            return ""
        since = f"the configuration in force since {instant_text(self.running.since_s)} answers"
        if self.faults:
            return f"{'; '.join(map(str, self.faults))}; {since}"
        if self.running.reload is not None:
            at = instant_text(self.running.reload.at_s)
            return f"the reload at {at} failed: {self.running.reload.reason}; {since}"
        if self.written != self.config:
            return f"{self.path} was changed and not reloaded; {since}"
        return ""


def config_or_running(options: argparse.Namespace) -> Config:
    """Return the configuration that the options mean. If its file is faulty, print why, and return the running node's.

    Raise ConfigError as `known_config` does.
    """
    try:
        return config_of(options)
    except ConfigError:
        known = known_config(options)
        say(f"dnsfilter: {known.trouble}", file=sys.stderr)
        return known.config


def known_config(options: argparse.Namespace) -> KnownConfig:
    """Return the configuration of the node that the options name.

    Raise ConfigError if its file is faulty and no running node says by which one it answers.
    """
    path = named_file(options)
    written: Config | None = None
    faults: tuple[Problem, ...] = ()
    try:
        written = config_of(options)
    except ConfigError as error:
        faults = error.problems
    user = node_user(None if written is None else written.user)
    try:
        running = running_config(path, node_uid=None if user is None else user.pw_uid)
        config = default_config() if has_only_policy(options) else parse_config(running.text, path)
    except UnavailableError as error:
        if written is None:
            raise ConfigError((*faults, Problem("running node", str(error)))) from error
        return KnownConfig(path, written, written, faults, str(error))
    return KnownConfig(path, config, written, faults, running)
