"""The parts of a reloaded configuration that take effect while the node runs."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import fields, replace

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, ControlPlane, Endpoint
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.telemetry import logs

_LOG = logging.getLogger("dnsfilter.node")


def check_listen(new: Config, running: Collection[Endpoint]) -> None:
    """Raise ConfigError if `new` has no key `listen` and its default would drop an address that is in use.

    An empty or truncated file is such a configuration.
    """
    left = listen_text(each for each in running if each not in new.listen)
    if new.default_listen and left:
        default = listen_text(new.listen)
        message = f"the key is missing, and the default {default} would drop {left}: set the addresses"
        raise ConfigError((Problem("listen", message),))


def listen_text(endpoints: Iterable[Endpoint]) -> str:
    """Return these addresses for a log line or message, each once."""
    return ", ".join(map(endpoint_text, dict.fromkeys(endpoints)))


def log_addresses(config: Config, before: Collection[Endpoint]) -> None:
    """Log the listening addresses that a node gains and loses, and default ones that it leaves out."""
    added = listen_text(each for each in config.listen if each not in before)
    removed = listen_text(each for each in before if each not in config.listen)
    if before and (added or removed):
        logs.emit(_LOG, logging.INFO, "addresses change", added=added or "none", removed=removed or "none")
    if config.left_out:
        left_out = listen_text(config.left_out)
        logs.emit(_LOG, logging.WARNING, "default addresses left out, no such family here", addresses=left_out)


def merge_reloadable(new: Config, running: Config) -> tuple[Config, tuple[str, ...]]:
    """Return the new configuration with the old values of keys that need a restart, and these keys.

    Raise ConfigError if `check_listen` refuses the new configuration.
    """
    check_listen(new, running.listen)
    kept = replace(
        new,
        metrics_listen=running.metrics_listen,
        state_dir=running.state_dir,
        user=running.user,
        control_plane=running.control_plane,
    )
    keys = [key for key in ("metrics_listen", "state_dir", "user") if getattr(new, key) != getattr(running, key)]
    keys += [
        f"control_plane.{field.name}"
        for field in fields(ControlPlane)
        if getattr(new.control_plane, field.name) != getattr(running.control_plane, field.name)
    ]
    return kept, tuple(keys)
