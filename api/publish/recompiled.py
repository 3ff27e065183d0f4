"""Whether a snapshot is one of the policy that is kept of its revision: its ranges and rules are compiled again.

Without the names: with a million of them that takes seconds, and ranges and rules have but their services and tiers.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import PublicationRow
from api.publish.past_policies import Past, kept_since, rows_at
from api.publish.policy_rows import policy_of, values_of
from api.publish.repository import revision
from dnsfilter import __version__
from dnsfilter.errors import DnsfilterError
from dnsfilter.policy.model import Instant, Policy, Service
from dnsfilter.snapshot.compiler import compile_without_names
from dnsfilter.snapshot.manifest import Manifest

LATE_S = 30
"""Seconds before a snapshot came into force within which it was made, if the record does not say when."""


def is_reproduced(past: Past) -> bool | None:
    """Whether the past policy makes the files of its publication; None where another version had compiled them."""
    found = past.publication
    if found.version != __version__:
        return None
    wanted = found.ranges, found.rules
    if found.made_s is None:
        return _is_made_before(past.policy, found.since_s, wanted)
    return _files(past.policy, found.made_s) == wanted


def is_ours(session: Session, manifest: Manifest, services: Mapping[str, Service]) -> bool:
    """Whether a stored snapshot says what this database has of its revision: on record, or compiled again.

    Another installation's is not, nor one of acts that were lost when an older database was restored.
    """
    ranges, rules = manifest.ranges.digest.hex(), manifest.rules.digest.hex()
    same = (manifest.revision, manifest.names.digest.hex(), ranges, rules)
    columns = (PublicationRow.revision, PublicationRow.names, PublicationRow.ranges, PublicationRow.rules)
    known = (column == value for column, value in zip(columns, same, strict=True))
    if session.scalar(select(PublicationRow.id).where(*known).limit(1)) is not None:
        return True
    if not kept_since(session) <= manifest.revision <= revision(session):
        return False
    policy = policy_of(values_of(rows_at(session, manifest.revision)), services)
    return _files(policy, manifest.made_s) == (ranges, rules)


def _files(policy: Policy, made_s: Instant) -> tuple[str, str] | None:
    """Return the digests of the ranges and rules of a policy; None if it cannot be compiled."""
    try:
        compiled = compile_without_names(policy, made_s)
    except DnsfilterError:
        return None
    return compiled.ranges.digest.hex(), compiled.rules.digest.hex()


def _is_made_before(policy: Policy, since_s: Instant, wanted: tuple[str, str]) -> bool:
    """Whether the policy makes these files in one of the seconds before it came into force.

    Only for publications of databases from before the second was kept.
    """
    last = _files(policy, since_s)
    if last == wanted:
        return True
    # What is left out only grows: if the first second's are the same as the last's, so are all between.
    first, between = _files(policy, since_s - LATE_S), range(since_s - 1, since_s - LATE_S, -1)
    return first == wanted or (first != last and any(_files(policy, second) == wanted for second in between))
