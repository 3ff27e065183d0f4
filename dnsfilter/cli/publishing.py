"""Compile a policy file for a node without a control plane."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnsfilter.config.node_config import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.policy.model import Instant, Service
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs

KEPT_REVISIONS = 20
DAY_S = 86_400
_LOG = logging.getLogger("dnsfilter.node")


def publish_policy_file(path: Path, state_dir: Path, store: SnapshotStore, clock_s: Instant) -> None:
    """Make the policy file the store's current snapshot, dated by the wall clock as far as the store trusts it.

    Raise ConfigError for a faulty file, UnavailableError if it cannot be written.
    """
    from dnsfilter.config.resolved import last_loading, resolved_policy

    now = store.creation_time_s(clock_s)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"make state directory {state_dir}: {error.strerror}") from error
    policy = resolved_policy(path, state_dir, services=services(), now=now)
    loaded = last_loading(policy)
    if loaded > now + DAY_S:
        at = datetime.fromtimestamp(loaded, UTC).isoformat()
        logs.emit(_LOG, logging.WARNING, "policy file was loaded at a time in the future", at=at)
    # If the kept dates were lost, their count of revisions restarted, but that of the store did not.
    revision = max(policy.revision, store.current_revision() or 0)
    store.publish(compile_policy(replace(policy, revision=revision), now))
    store.prune(KEPT_REVISIONS)


def policy_files(path: Path, config: Config, now: Instant, made_s: Instant) -> Files:
    """Compile the policy file as of `now`. Write nothing."""
    from dnsfilter.config.resolved import resolved_policy

    made = compile_policy(resolved_policy(path, config.state_dir, services=services(), now=now, keep=False), made_s)
    return Files(made.revision, made.manifest, made.names.data, made.ranges.data, made.rules.data)


def services() -> dict[str, Service]:
    """Return the services of the catalogue by slug."""
    from blocklists.catalogue import load_catalogue

    return {service.slug: service for service in load_catalogue().services}
