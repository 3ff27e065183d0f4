"""The snapshot that this node decides by, for commands that only read: with local acts, and without a write."""

import argparse
import sys

from dnsfilter.cli.options import local_node, store_of
from dnsfilter.cli.publishing import policy_files
from dnsfilter.config.node_config import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.local.local_acts import LocalActs, apply_acts
from dnsfilter.local.node_names import NameActs
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.terminal import say


def local_acts(options: argparse.Namespace, config: Config) -> LocalActs:
    """Return the local acts in force. If the caller may not read them, print that and return none."""
    try:
        names = NameActs(config, store_of(options, config)).names()
        return LocalActs(local_node(options, config).suspensions(), names)
    except UnavailableError as error:
        say(f"dnsfilter: decided without local acts: {error}", file=sys.stderr)
        return LocalActs()


def snapshot_of(options: argparse.Namespace, config: Config, now: Instant, at: Instant, acts: LocalActs) -> Snapshot:
    """Return the snapshot that the node decides by, or that of the policy file at an instant. Write nothing."""
    if options.policy is None:
        files, passed_over = store_of(options, config).read_best()
        if passed_over is not None:
            say(f"dnsfilter: decided by revision {files.revision}: {passed_over}", file=sys.stderr)
    else:
        # A snapshot leaves out everything that ended over a day before its making.
        files = policy_files(options.policy, config, now, min(now, at))
    laid = apply_acts(files, acts, now)
    return Snapshot.open(laid.manifest, laid.names, laid.ranges, laid.rules, config.control_plane.site)
