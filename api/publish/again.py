"""Whether a snapshot is one of the policy that is kept of its revision: its ranges and rules are compiled again.

Without the names: with a million of them that takes seconds, and ranges and rules have but their services and tiers.
"""

import struct
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import PublicationRow
from api.publish.past import Past, kept_since, rows_at
from api.publish.repository import revision
from api.publish.source import policy_of, values_of
from dnsfilter import __version__
from dnsfilter.errors import DnsfilterError
from dnsfilter.policy.model import Instant, Policy, Service
from dnsfilter.policy.rows import Made, RowMaker, classify, range_classes, remembered
from dnsfilter.snapshot.compiler import KEPT_PAST_S
from dnsfilter.snapshot.manifest import Manifest
from dnsfilter.snapshot.names import entries_of
from dnsfilter.snapshot.ranges import compile_ranges
from dnsfilter.snapshot.rules import compile_rules

LATE_S = 30
"""So long before it came into force a snapshot is believed to have been made: that is not on record."""


def is_reproduced(past: Past) -> bool | None:
    """Whether the past policy makes the files of its publication; None where another version had compiled them."""
    found = past.publication
    if found.version != __version__:
        return None
    # What ended a day before the making is left out: mostly the files are the same in all these seconds.
    made = range(found.since_s, found.since_s - LATE_S - 1, -1)
    return _makes(past.policy, found.ranges, found.rules, made)


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
    return _makes(policy, ranges, rules, range(manifest.made_s, manifest.made_s + 1))


def _makes(policy: Policy, ranges: str, rules: str, made: range) -> bool:
    """Whether files of these digests are those of the policy, made at one of these seconds."""
    try:
        entries = entries_of(policy.services)
        known: Made | None = None

        def made_at(second: Instant) -> tuple[str, str]:
            nonlocal known
            since = second - KEPT_PAST_S
            left = remembered(policy, since)
            by_range = classify(left)
            classes = range_classes(by_range)
            numbers = {range_class: number for number, range_class in enumerate(classes)}
            maker = RowMaker(left, known)
            compiled = compile_ranges(left, by_range, numbers), compile_rules(left, classes, entries, since, maker)
            known = maker.made
            return compiled[0].digest.hex(), compiled[1].digest.hex()

        wanted, last = (ranges, rules), made_at(made[0])
        if last == wanted or len(made) == 1:
            return last == wanted
        # What is left out only grows: where the first second's are the same as the last's, so are all between.
        first = made_at(made[-1])
        return first == wanted or (first != last and any(made_at(second) == wanted for second in made[1:-1]))
    except (DnsfilterError, struct.error):
        return False
