"""Add names that a node refuses or allows by itself to a snapshot, as if the policy had contained them."""

from collections.abc import Iterable

from dnsfilter.policy.model import AllowedName, Instant
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.added_bans import with_bans
from dnsfilter.snapshot.added_names import with_names
from dnsfilter.snapshot.layout import CLASS, Kind, Part
from dnsfilter.snapshot.names_file import read_entries
from dnsfilter.snapshot.rule_parts.allowed import with_allowed
from dnsfilter.snapshot.sections import Buffer, File, read_file, write_file


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


def overlay_refused_names(names: Buffer, refused: Iterable[LocalName]) -> File | None:
    """Return the names file with the refused ones of these names. None if it has them all.

    Raise SnapshotError for a damaged file, or if it has no room for them.
    """
    wanted = [each.name for each in refused if each.verdict is NameVerdict.REFUSE]
    return with_names(names, wanted) if wanted else None


def overlay_bans(rules: Buffer, names: Buffer, refused: Iterable[LocalName], at: Instant) -> Buffer:
    """Return the rules file with bans on the refused ones of these names. Return `rules` itself if there is none.

    `names` is the result of `overlay_refused_names`. Each decision is that of the policy with these bans. Raise
    SnapshotError for a damaged file.
    """
    holding = [each for each in refused if each.verdict is NameVerdict.REFUSE and each.end > at]
    if not holding:
        return rules
    return with_bans(rules, holding, read_entries(read_file(Kind.NAMES, names)))
