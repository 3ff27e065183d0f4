"""The preparations of a node before it serves: its user and its sockets."""

import logging
import os
import pwd
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter import __version__
from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import EngineKind, why_not_compiled
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.sockets import Listening, open_listening, open_tcp
from dnsfilter.supervisor.upgrade import Handover
from dnsfilter.supervisor.worker_starts import WorkerStarts
from dnsfilter.telemetry import logs
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, become, unprivileged_user

if TYPE_CHECKING:
    from dnsfilter.control.link import Control

_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reload would put into effect: a configuration, and a policy file that `publish` writes to the store.

    `publish` raises UnavailableError if it cannot write. `text` is the configuration as written.
    """

    config: Config
    text: str
    publish: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Means:
    """With what a running node starts workers, reloads, upgrades and follows its control plane.

    A reload reads `files`, with a limit in bytes for each, and gives their texts to `draft`, which writes nothing and
    raises ConfigError with every problem. Commands find the node by the first of them. `text` is the configuration of
    the start.

    `follow` is None if the node has no control plane. It is called when the node serves. Its argument is a callback,
    to be called from any thread when the store has another snapshot.
    """

    files: Mapping[Path, int]
    text: str
    draft: Callable[[Mapping[Path, str]], Draft]
    program: Sequence[str]
    starts: WorkerStarts
    follow: "Callable[[Callable[[], object]], Control] | None" = None


def drop_root(config: Config) -> str | None:
    """Become the configured user, or `dnsfilter`, if this process may. Return its name, or None.

    Make a missing state directory for that user.
    """
    user = unprivileged_user(config.user)
    if user is None:
        return None
    try:
        if not config.state_dir.exists():
            config.state_dir.mkdir(parents=True)
            os.chown(config.state_dir, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise UnavailableError(f"make state directory {config.state_dir}: {_reason(error)}") from error
    for problem in become_node_user(user):
        raise UnavailableError(problem)
    return user.pw_name


def become_node_user(user: pwd.struct_passwd) -> tuple[str, ...]:
    """Become that user with the capability that the unit keeps. Return the problems if it cannot run this program.

    Raise UnavailableError if the kernel refuses.
    """
    try:
        become(user, {CAP_NET_BIND_SERVICE})
    except OSError as error:
        raise UnavailableError(f"become user {user.pw_name}: {_reason(error)}") from error
    if os.access(sys.executable, os.X_OK):
        return ()
    advice = f'install the program elsewhere, or set user = "{pwd.getpwuid(0).pw_name}"'
    return (f"become user {user.pw_name}: it may not run {sys.executable}: {advice}",)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def open_sockets(config: Config, handover: Handover) -> tuple[Listening, socket.socket]:
    """Return the listening sockets and the one for metrics. Use those handed over if any. A trial gets its own."""
    if handover.is_trial:
        from dnsfilter.supervisor.trial import open_trial

        return open_trial(config, handover)
    listening = open_listening(config.listen, config.workers, handover.sockets, config.encrypted)
    if handover.status is not None:
        endpoint, status = handover.status
        if endpoint == config.metrics_listen:
            return listening, status
        status.close()
    return listening, open_tcp(config.metrics_listen)


def this_program() -> tuple[str, ...]:
    """Return the command that started this process. Run again, it starts the program that is installed then."""
    return sys.executable, *sys.orig_argv[1:]


def log_engine(kind: EngineKind) -> None:
    """Log the version and the engine, and why the compiled engine is not available."""
    logs.emit(_LOG, logging.INFO, "node starts", version=__version__, engine=kind)
    if kind is EngineKind.REFERENCE and (reason := why_not_compiled()) is not None:
        logs.emit(_LOG, logging.WARNING, "compiled engine not available", reason=reason)
