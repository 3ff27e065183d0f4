"""Add names that a node allows by itself to a rules file, as if the policy had contained them."""

from collections.abc import Iterable

from dnsfilter.policy.model import AllowedName, Instant
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.layout import CLASS, Kind, Part
from dnsfilter.snapshot.rule_parts.allowed import with_allowed
from dnsfilter.snapshot.sections import Buffer, read_file, write_file


def overlay_allowed(rules: Buffer, names: Iterable[LocalName], at: Instant) -> Buffer:
    """Return the rules file with the allowed ones of these names. Return `rules` itself if that changes nothing.

    For names that begin less than a day before the snapshot's creation, the bytes are those of `compile_rules` for the
    policy with these names. Raise SnapshotError for a damaged file.
    """
    holding = [
        AllowedName(0, each.authority, each.name, each.exact, each.start, each.end, each.start, reason=each.reason)
        for each in names
        if each.verdict is NameVerdict.ALLOW and each.end > at
    ]
    if not holding:
        return rules
    parts = read_file(Kind.RULES, rules)
    authorities = [parts[Part.STRINGS].text(slug) for slug, _, _ in parts[Part.CLASSES].all_records(CLASS)]
    kept = {part: bytes(section.data) for part, section in parts.items()}
    changed = with_allowed(parts, authorities, holding)
    if all(data == kept.get(part, b"") for part, data in changed.items()):
        return rules
    return write_file(Kind.RULES, {**kept, **changed}).data
