"""The snapshot that this node decides by, for commands that only read: with local suspensions, and without a write."""

import argparse
import sys

from dnsfilter.cli.options import local_node, store_of
from dnsfilter.cli.publishing import policy_files
from dnsfilter.config.node_config import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.supervisor.snapshot_watch import apply_suspensions
from dnsfilter.telemetry.terminal import say


def local_suspensions(options: argparse.Namespace, config: Config) -> tuple[Suspension, ...]:
    """Return the local suspensions. If the caller may not read them, print that and return none."""
    try:
        return local_node(options, config).suspensions()
    except UnavailableError as error:
        say(f"dnsfilter: decided without local suspensions: {error}", file=sys.stderr)
        return ()


def snapshot_of(
    options: argparse.Namespace, config: Config, now: Instant, at: Instant, suspensions: tuple[Suspension, ...]
) -> Snapshot:
    """Return the snapshot that the node decides by, or that of the policy file at an instant. Write nothing."""
    if options.policy is None:
        files, passed_over = store_of(options, config).read_best()
        if passed_over is not None:
            say(f"dnsfilter: decided by revision {files.revision}: {passed_over}", file=sys.stderr)
    else:
        # A snapshot leaves out everything that ended over a day before its making.
        files = policy_files(options.policy, config, now, min(now, at))
    laid = apply_suspensions(files, suspensions, now)
    return Snapshot.open(laid.manifest, laid.names, laid.ranges, laid.rules, config.control_plane.site)
