"""`dnsfilter serve`: run the resolver in the foreground.

Modules that only a policy file needs are imported where they are used, to keep the start fast.
"""

import argparse
import asyncio
import logging
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter.cli.options import (
    DONE,
    Commands,
    add_command,
    add_files,
    config_path,
    follows,
    has_only_policy,
    node_dir,
    store_of,
)
from dnsfilter.cli.publishing import policy_files, prepare_policy, publish_policy_file
from dnsfilter.config.client_tables import learning_problems
from dnsfilter.config.file_text import MAX_CONFIG_BYTES, MAX_POLICY_BYTES, load_text
from dnsfilter.config.node_config import Config
from dnsfilter.control.identity import IDENTITY, load_token
from dnsfilter.engine.choice import chosen_kind
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.local.drain_request import forget_drain
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.first_snapshot import load_first
from dnsfilter.supervisor.read_apart import in_fork, parse, parse_apart
from dnsfilter.supervisor.reload_steps import check_listen
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.supervisor.start import Draft, Means, drop_root, open_sockets, this_program
from dnsfilter.supervisor.supervisor import Supervisor
from dnsfilter.supervisor.upgrade import take_handover
from dnsfilter.supervisor.worker_starts import WorkerStarts
from dnsfilter.telemetry import logs
from dnsfilter.worker.tls_pair import load_pair

if TYPE_CHECKING:
    from dnsfilter.control.link import Control

_LOG = logging.getLogger("dnsfilter.node")


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "serve", serve, "run the resolver in the foreground")
    command.set_defaults(is_service=True)
    add_files(command)


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Raise DnsfilterError only before the first answer."""
    starts = WorkerStarts(options.zygote)
    handover = take_handover()
    path = None if has_only_policy(options) else config_path(options.config)
    text = "" if path is None else load_text(path, MAX_CONFIG_BYTES)
    config = parse_apart(text, path)
    check_listen(config, handover.endpoints)
    engine = chosen_kind()
    logs.setup()
    one_time_token = _one_time_token(config)  # while this is still root, who alone may be able to read it
    follow = partial(_follow, config, one_time_token) if follows(options, config) else None
    starts.drop_privileges(drop_root(config))
    load_pair(config.encrypted)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # 256 sockets per upstream, and those of clients
    if not handover.sockets:
        forget_drain(config.node_dir)  # before a client of the status server could ask for a drain of this start
    listening, status = open_sockets(config, handover)
    store = store_of(options, config)
    site = config.control_plane.site
    feed = PolicyFeed(store, site, node_dir=node_dir(config), trust_clock=config.trust_clock)
    feed.look_at_clock()
    if options.policy is not None and handover.is_trial:
        now = store.creation_time_s(feed.wall_s())
        feed.take(policy_files(options.policy, config, now, now))
    else:
        if options.policy is not None:
            in_fork(lambda: _published(options.policy, config, store, feed.wall_s()))
        pull = None if follow is None else partial(pull_policy, config, one_time_token)
        load_first(feed, config, pull, least=handover.trial_of or 0)

    for problem in learning_problems(config.clients, int(time.time())):
        logs.emit(_LOG, logging.ERROR, "learning mode does not begin yet", reason=problem)

    def draft(texts: Mapping[Path, str]) -> Draft:
        written = "" if path is None else texts[path]
        fresh = parse(written, path)
        if faults := learning_problems(fresh.clients, int(time.time())):
            raise ConfigError(faults)
        load_pair(fresh.encrypted)
        if options.policy is None:
            return Draft(fresh, written, lambda: None)
        policy = texts[options.policy]
        return Draft(fresh, written, prepare_policy(policy, options.policy, fresh, store, feed.wall_s()))

    given = {path: MAX_CONFIG_BYTES, options.policy: MAX_POLICY_BYTES}
    files = {each: most for each, most in given.items() if each is not None}

    async def run() -> None:
        means = Means(files, text, draft, this_program(), starts, None if handover.is_trial else follow)
        supervisor = Supervisor(config, engine, listening, status, feed, means, handover)
        if handover.is_trial:
            from dnsfilter.supervisor.trial import run_trial

            await run_trial(supervisor, listening.endpoints[0], config.clients)
        else:
            await supervisor.run()

    asyncio.run(run())
    return DONE


def _published(path: Path, config: Config, store: SnapshotStore, now: Instant) -> bytes:
    publish_policy_file(path, config, store, now)
    return b""


def _one_time_token(config: Config) -> str | None:
    """Return the content of the configured file if it is needed and can be read now, else None."""
    path = config.control_plane.token
    # In a container, root may lack the power to enter the directory of the node's user.
    with suppress(UnavailableError, PermissionError):
        if path is not None and not (config.node_dir / IDENTITY).exists():
            return load_token(path)
    return None


def _follow(config: Config, one_time_token: str | None, placed: Callable[[], object]) -> "Control":
    from dnsfilter.control.link import Control

    return Control(config, one_time_token, placed)


def pull_policy(config: Config, one_time_token: str | None) -> None:
    """Pull a snapshot for a node that has none. Raise DnsfilterError if that fails."""
    from dnsfilter.control.link import pull_first

    pull_first(config, one_time_token)
