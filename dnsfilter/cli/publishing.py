"""Compile a policy file for a node without a control plane."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter.config.file_text import MAX_POLICY_BYTES, load_text
from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import DAY_S, Instant, Policy, Service, WireName
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.wire.names import parse_name

if TYPE_CHECKING:
    from blocklists.guard import Guard
    from dnsfilter.config.resolved import Resolved

KEPT_REVISIONS = 20
_LOG = logging.getLogger("dnsfilter.node")


def publish_policy_file(path: Path, config: Config, store: SnapshotStore, clock_s: Instant) -> None:
    """Make the policy file the store's current snapshot, dated by the wall clock as far as the store trusts it.

    Raise ConfigError for a faulty file, UnavailableError if it cannot be written.
    """
    prepare_policy(policy_text(path), path, config, store, clock_s)()


def policy_text(path: Path) -> str:
    """Return the text of a policy file. Raise ConfigError if it cannot be read."""
    return load_text(path, MAX_POLICY_BYTES)


def prepare_policy(text: str, path: Path, config: Config, store: SnapshotStore, clock_s: Instant) -> Callable[[], None]:
    """Compile the text of the policy file at `path`. Return a function that makes it the store's current snapshot.

    Nothing is written before that function runs. Raise ConfigError for a faulty file. The function raises
    UnavailableError if the snapshot cannot be written.
    """
    from dnsfilter.config.resolved import last_loading

    now = store.creation_time_s(clock_s)
    resolved = _resolved(text, path, config, now)
    policy = resolved.policy
    loaded = last_loading(policy)
    if loaded > now + DAY_S:
        at = datetime.fromtimestamp(loaded, UTC).isoformat()
        logs.emit(_LOG, logging.WARNING, "policy file was loaded at a time in the future", at=at)
    # If the kept dates were lost, their count of revisions restarted, but that of the store did not.
    revision = max(policy.revision, store.current_revision() or 0)
    compiled = compile_policy(replace(policy, revision=revision), now)

    def publish() -> None:
        resolved.keep()
        store.publish(compiled)
        store.prune(KEPT_REVISIONS)

    return publish


def policy_files(path: Path, config: Config, now: Instant, made_s: Instant) -> Files:
    """Compile the policy file as of `now`. Write nothing."""
    resolved = _resolved(policy_text(path), path, config, now)
    made = compile_policy(resolved.policy, made_s)
    return Files(made.revision, made.manifest, made.names.data, made.ranges.data, made.rules.data)


def _resolved(text: str, path: Path, config: Config, now: Instant) -> "Resolved":
    from dnsfilter.config.resolved import resolve_policy

    names = NodeNames(config)
    found = resolve_policy(text, path, config.state_dir, services=services(), now=now, guard=names.fault)
    names.demand_allowed(found.policy, path)
    return found


class NodeNames:
    """The names that a policy file may not refuse on a node. The guard is read when it is asked first.

    Without a readable configuration it is the packaged one.
    """

    def __init__(self, config: Config | None) -> None:
        self._zones = () if config is None else tuple(zone.suffix for zone in config.zones)
        host = "" if config is None else config.control_plane.host_name
        self._control_plane = (parse_name(host),) if host else ()

    def fault(self, name: WireName, exact: bool) -> str | None:
        """Return why a single name may not be refused, or None."""
        return self._guard.name_fault(name, exact)

    def demand_allowed(self, policy: Policy, path: Path) -> None:
        """Raise ConfigError for names of own services that the guard forbids."""
        found = [
            Problem(f"{path} service", f"{hit}: leave it out")
            for service in policy.services
            if service.authority is not None
            for hit in self._guard.violations(service)
        ]
        if found:
            raise ConfigError(tuple(found))

    @cached_property
    def _guard(self) -> "Guard":
        from blocklists.guard import installation_guard

        return installation_guard(self._zones, self._control_plane)


def services() -> dict[str, Service]:
    """Return the services of the catalogue by slug."""
    from blocklists.catalogue import load_catalogue

    return {service.slug: service for service in load_catalogue().services}
