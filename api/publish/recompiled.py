"""Check whether a snapshot matches the stored policy of its revision, by compiling ranges and rules again.

The names are not compiled: a million take seconds, and ranges and rules contain only their services and tiers.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import PublicationRow
from api.publish.past_policies import PastPolicy, rows_at
from api.publish.policy_rows import policy_of, values_of
from api.publish.repository import revision
from dnsfilter import __version__
from dnsfilter.errors import DnsfilterError
from dnsfilter.policy.model import Instant, Policy, Service
from dnsfilter.snapshot.compiler import compile_without_names
from dnsfilter.snapshot.manifest import Manifest


def is_reproduced(past: PastPolicy) -> bool | None:
    """Return whether the past policy reproduces the files of its publication; None if another version compiled them."""
    found = past.publication
    if found.version != __version__:
        return None
    return _files(past.policy, found.made_s) == (found.ranges, found.rules)


def is_ours(session: Session, manifest: Manifest, catalogue: Mapping[str, Service]) -> bool:
    """Return whether a stored snapshot matches this database: it is recorded, or compiling its revision reproduces it.

    A snapshot of another installation does not match, nor one of acts that were lost by restoring an older database.
    """
    ranges, rules = manifest.ranges.digest.hex(), manifest.rules.digest.hex()
    same = (manifest.revision, manifest.names.digest.hex(), ranges, rules)
    columns = (PublicationRow.revision, PublicationRow.names, PublicationRow.ranges, PublicationRow.rules)
    known = (column == value for column, value in zip(columns, same, strict=True))
    if session.scalar(select(PublicationRow.id).where(*known).limit(1)) is not None:
        return True
    if manifest.revision > revision(session):
        return False
    policy = policy_of(values_of(rows_at(session, manifest.revision)), catalogue)
    return _files(policy, manifest.made_s) == (ranges, rules)


def _files(policy: Policy, made_s: Instant) -> tuple[str, str] | None:
    """Return the digests of the ranges and rules of a policy; None if it cannot be compiled."""
    try:
        compiled = compile_without_names(policy, made_s)
    except DnsfilterError:
        return None
    return compiled.ranges.digest.hex(), compiled.rules.digest.hex()
