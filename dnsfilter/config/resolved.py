"""A policy file for a node without a control plane. Its relative dates are resolved once, and stored.

The state file has when each term, binding and exemption was loaded first, by the digest of its written form. So a
restart or a change elsewhere in the file renews nothing. An item with changed text is resolved again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dnsfilter.config.file_text import MAX_POLICY_BYTES, load_text
from dnsfilter.config.locations import parse_toml
from dnsfilter.config.name_tables import GuardedFault, unguarded
from dnsfilter.config.policyfile import parse_loaded
from dnsfilter.disk import sync_directory, write_atomically
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.policy.model import Instant, Policy, Service

STATE_FILE = "policy-resolved.toml"
MAX_STATE_BYTES = 64 << 20
_HEADER = """\
# Kept by dnsfilter: when each term, binding and exemption of the policy file was loaded first, by the digest of its
# written form. Without this file, "today" is the day of the next start.
"""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The content of the state file. `revision` is 0 before there is one."""

    digest: str
    revision: int
    loaded: Mapping[str, Instant]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A policy file with resolved dates. `keep` stores those that are new, so that the next start finds them."""

    policy: Policy
    state: Path
    kept: _Kept | None

    def keep(self) -> None:
        """Store the dates if the file has changed. Raise UnavailableError if the state cannot be written."""
        if self.kept is not None:
            _store(self.state, self.kept)


def load_policy_file(
    path: Path,
    *,
    services: Mapping[str, Service],
    now: Instant,
    revision: int = 1,
    guard: GuardedFault = unguarded,
) -> Policy:
    """Return the policy in that file as loaded at `now`, without state. Raise ConfigError with every problem."""
    text = load_text(path, MAX_POLICY_BYTES)
    return parse_loaded(text, str(path), services=services, now=now, revision=revision, loaded={}, guard=guard).policy


def resolve_policy(
    text: str,
    path: Path,
    state_dir: Path,
    *,
    services: Mapping[str, Service],
    now: Instant,
    guard: GuardedFault = unguarded,
) -> Resolved:
    """Return the policy in `text`, read from that file, with relative dates resolved when first seen.

    A changed file gets a new revision. Nothing is written: until `keep`, new items are resolved again at each call.

    Raise ConfigError with every problem of the file, or for a state file that is invalid.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    state = state_dir / STATE_FILE
    kept = _load_kept(state)
    revision = kept.revision + (digest != kept.digest)
    loaded = parse_loaded(
        text, str(path), services=services, now=now, revision=revision, loaded=kept.loaded, guard=guard
    )
    return Resolved(loaded.policy, state, None if digest == kept.digest else _Kept(digest, revision, loaded.times))


def last_loading(policy: Policy) -> Instant:
    """Return when the newest term, agreement, exemption or name of a policy file was loaded first; 0 without any."""
    terms = (term.recorded for ban in policy.bans for term in ban.terms)
    agreements = (binding.accepted or 0 for binding in policy.bindings)
    allowed = (name.recorded or 0 for name in policy.allowed)
    exemptions = (exemption.approved or 0 for exemption in policy.exemptions)
    return max((*terms, *agreements, *allowed, *exemptions), default=0)


def _load_kept(state: Path) -> _Kept:
    if not state.exists():
        return _Kept("", 0, {})
    data = parse_toml(load_text(state, MAX_STATE_BYTES), str(state)).data
    digest, revision, loaded = data.get("digest"), data.get("revision"), data.get("loaded", {})
    sound = isinstance(digest, str) and isinstance(revision, int) and isinstance(loaded, dict)
    if not sound or not all(isinstance(at, datetime) and at.tzinfo is not None for at in loaded.values()):
        message = "is damaged: restore it, or remove it to resolve the policy's relative dates again"
        raise ConfigError((Problem(str(state), message),))
    return _Kept(str(digest), int(str(revision)), {form: int(at.timestamp()) for form, at in loaded.items()})


def _store(state: Path, kept: _Kept) -> None:
    """Write the state atomically: after a crash there is the old file or the new one."""
    lines = [f'digest = "{kept.digest}"', f"revision = {kept.revision}", "", "[loaded]"]
    lines += [f'"{form}" = {datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}' for form, at in kept.loaded.items()]
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(state, (_HEADER + "\n".join(lines) + "\n").encode(), sync=True)
        sync_directory(state.parent)
    except OSError as error:
        raise UnavailableError(f"cannot store the policy's resolved dates in {state}: {error.strerror}") from error
