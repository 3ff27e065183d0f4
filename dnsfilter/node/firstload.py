"""What a node that starts decides by: what is on its disk, else what it can have now, else nothing."""

import logging
import sys
import time
from collections.abc import Callable

from dnsfilter.config.model import Config
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.node.policyfeed import PolicyFeed
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.files import RELEASED_S, Files
from dnsfilter.telemetry import logs

_LOG = logging.getLogger("dnsfilter.node")


def load_first(feed: PolicyFeed, config: Config, pull: Callable[[], None] | None = None, least: int = 0) -> None:
    """Load a complete snapshot that is here, else what `pull` brings, else even a quarantined one.

    Raises UnavailableError if there is none, unless the node may start without. Raises it as well if the snapshot is
    older than revision `least`.
    """
    try:
        _load_or_pull(feed, pull)
    except DnsfilterError as error:
        if least > 0 or not config.start_without_snapshot:
            raise UnavailableError(
                f"no snapshot to decide by in {config.state_dir}: {error}; start the control plane, give --policy, "
                "or set start_without_snapshot"
            ) from error
        logs.emit(_LOG, logging.ERROR, "no snapshot to decide by", reason=error)
        print("dnsfilter: no snapshot yet: nothing is banned, nobody is registered", file=sys.stderr)
        empty = compile_policy(Policy(0), max(int(time.time()), RELEASED_S))
        feed.take(Files(0, empty.manifest, empty.names.data, empty.ranges.data, empty.rules.data))
    if feed.snapshot is not None and feed.snapshot.revision < least:
        raise UnavailableError(
            f"load revision {least}, which is in force: the newest complete one in {config.state_dir} is "
            f"{feed.snapshot.revision}; wait for the next revision, or restart to go back to {feed.snapshot.revision}"
        )


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
            reason = UnavailableError(f"{error} (here: {reason})")
    try:
        feed.load_any()
    except SnapshotError:
        raise reason from None
