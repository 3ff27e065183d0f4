"""Add suspensions to a rules file, as if the policy had contained them when it was compiled."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import chain

from dnsfilter.policy.intervals import FOREVER, Intervals, difference, intersection, union
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.policy.rows import Effect
from dnsfilter.snapshot.layout import CLASS, RULE, SPAN, Kind, Part
from dnsfilter.snapshot.manifest import FileRef, parse_manifest, write_manifest
from dnsfilter.snapshot.rule_parts.suspended import read_suspensions, suspension_records
from dnsfilter.snapshot.sections import Buffer, Section, Slices, read_file, write_file

Spans = tuple[tuple[Instant, Instant, int], ...]


def overlay_rules(rules: Buffer, suspensions: Iterable[Suspension], at: Instant) -> Buffer:
    """Return the rules file with these suspensions. Return `rules` itself if it has all that end after `at`.

    In every class of a suspended authority, enforcing and monitoring are set aside during the suspension. For
    suspensions that begin less than a day before the snapshot's creation, the bytes are those of `compile_rules` for
    the policy with these suspensions. Raise SnapshotError for a damaged file.
    """
    holding = [suspension for suspension in suspensions if suspension.end > at]
    if not holding:
        return rules
    parts = read_file(Kind.RULES, rules)
    kept = {part: bytes(section.data) for part, section in parts.items()}
    known = read_suspensions(parts.get(Part.SUSPENSIONS))
    suspended = suspension_records((*known, *holding), -FOREVER)
    strings = parts[Part.STRINGS]
    per_class = [_aside(holding, strings.text(slug)) for slug, _, _ in parts[Part.CLASSES].all_records(CLASS)]
    changed = _laid_over(parts, per_class) if any(per_class) else {}
    changed[Part.SUSPENSIONS] = suspended
    if all(data == kept.get(part, b"") for part, data in changed.items()):
        return rules
    return write_file(Kind.RULES, {**kept, **changed}).data


def overlay_manifest(manifest: bytes, rules: Buffer, names: FileRef | None = None) -> bytes:
    """Return the manifest with these rules, and with these names if given, without a signature."""
    held, given = parse_manifest(manifest), FileRef(sha256(rules).digest(), len(rules))
    return write_manifest(replace(held, names=names or held.names, rules=given, signature=""))


def _aside(suspensions: list[Suspension], authority: str) -> Intervals:
    return union((s.start, s.end) for s in suspensions if s.authority in (None, authority))


def _laid_over(parts: Mapping[Part, Section], per_class: list[Intervals]) -> dict[Part, bytes]:
    """Return the sections of rules and spans. Each class has its own intervals in which all is set aside."""
    rules, spans = bytearray(parts[Part.RULES].data), Slices()
    # A thousand authorities have some ten thousand rules, but few different spans.
    span_ranges: dict[Intervals, dict[tuple[int, int], tuple[int, int]]] = {aside: {} for aside in per_class}
    for (_, first, count), aside in zip(parts[Part.CLASSES].all_records(CLASS), per_class, strict=True):
        known = span_ranges[aside]
        offset = first * RULE.size
        for ban, entry, first_span, number, *others in parts[Part.RULES].records(RULE, first, count):
            span_range = known.get((first_span, number))
            if span_range is None:
                own: Spans = tuple(parts[Part.SPANS].records(SPAN, first_span, number))
                cut = cut_spans(own, aside) if aside else own
                span_range = known[first_span, number] = spans.add([SPAN.pack(*span) for span in cut]), len(cut)
            RULE.pack_into(rules, offset, ban, entry, *span_range, *others)
            offset += RULE.size
    return {Part.RULES: bytes(rules), Part.SPANS: spans.data()}


def cut_spans(spans: Spans, aside: Intervals) -> Spans:
    """Return the spans of one rule, by start, with its effects set aside in these intervals."""
    by_effect = {
        does: tuple((start, end) for start, end, effect in spans if effect == does)
        for does in (Effect.ENFORCE, Effect.MONITOR, Effect.EXEMPT)
    }
    exempt = by_effect.pop(Effect.EXEMPT)
    left = [(*held, does) for does, active in by_effect.items() for held in difference(active, aside)]
    aside = intersection(union(chain.from_iterable(by_effect.values())), aside)
    left += [(*held, Effect.EXEMPT) for held in union((*exempt, *aside))]
    return tuple(sorted(left))
