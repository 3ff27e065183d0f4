"""The snapshot of a node that starts: the one on its disk, else one that it can get now, else an empty one."""

import logging
import sys
import time
from collections.abc import Callable

from dnsfilter.config.node_config import Config
from dnsfilter.control.identity import TokenRefused
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import RELEASED_S, Files
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs

PATIENCE_S = 60.0
"""Seconds that a node without a snapshot waits for this machine's control plane. systemd allows 90 s for a start."""
PAUSE_S = 0.5
_LOG = logging.getLogger("dnsfilter.node")


class _NotYet(UnavailableError):
    """A failure that may pass while the control plane starts."""


def load_first(feed: PolicyFeed, config: Config, pull: Callable[[], None] | None = None, least: int = 0) -> None:
    """Load a complete snapshot from disk, else the one that `pull` gets, else even a quarantined one.

    Wait if there is none and this machine's control plane may still be starting. Raise UnavailableError if there is
    still none, unless the node may start without one. Raise it too if the snapshot is older than revision `least`.
    """
    may_wait = least == 0 and not config.start_without_snapshot and config.control_plane.is_at_home
    try:
        _load_in_time(feed, pull, PATIENCE_S if may_wait and pull is not None else 0.0)
    except DnsfilterError as error:
        if least > 0 or not config.start_without_snapshot:
            raise UnavailableError(
                f"no usable snapshot in {config.state_dir}: {error}; start the control plane, give --policy, "
                "or set start_without_snapshot"
            ) from error
        logs.emit(_LOG, logging.ERROR, "no usable snapshot", reason=error)
        print("dnsfilter: no snapshot yet: nothing is banned, no client is registered", file=sys.stderr)
        empty = compile_policy(Policy(0), max(int(time.time()), RELEASED_S))
        feed.take(Files(0, empty.manifest, empty.names.data, empty.ranges.data, empty.rules.data))
    if feed.snapshot is not None and feed.snapshot.revision < least:
        raise UnavailableError(
            f"load revision {least}, which is in force: the newest complete one in {config.state_dir} is "
            f"{feed.snapshot.revision}; wait for the next revision, or restart to go back to {feed.snapshot.revision}"
        )


def _load_in_time(feed: PolicyFeed, pull: Callable[[], None] | None, patience_s: float) -> None:
    until_s = time.monotonic() + patience_s
    is_logged = False
    while True:
        try:
            return _load_or_pull(feed, pull)
        except _NotYet as error:
            if time.monotonic() >= until_s:
                raise
            if not is_logged:
                logs.emit(_LOG, logging.WARNING, "waiting for the control plane", reason=error)
            is_logged = True
        time.sleep(PAUSE_S)


def _load_or_pull(feed: PolicyFeed, pull: Callable[[], None] | None) -> None:
    try:
        feed.load()
        return
    except SnapshotError as error:
        reason: DnsfilterError = error
    if pull is not None:
        try:
            pull()
            feed.load()
            return
        except DnsfilterError as error:
            may_pass = isinstance(error, UnavailableError) and not isinstance(error, TokenRefused)
            reason = (_NotYet if may_pass else UnavailableError)(f"{error} (here: {reason})")
    try:
        feed.load_any()
    except SnapshotError:
        raise reason from None
