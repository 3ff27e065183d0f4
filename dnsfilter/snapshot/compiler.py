"""Compile a policy to a snapshot: three files and their manifest. Equal input gives equal bytes."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dnsfilter.errors import PolicyError
from dnsfilter.policy.model import DAY_S, Instant, Policy, Prefix, Range, Usage
from dnsfilter.policy.rows import (
    Made,
    RangeClass,
    RowMaker,
    classify,
    exempted_ranges,
    range_classes,
    usage_levels,
    without_ended_exemptions,
)
from dnsfilter.snapshot.layout import Kind
from dnsfilter.snapshot.manifest import FileRef, Manifest, write_manifest
from dnsfilter.snapshot.name_records import KeptBlocks
from dnsfilter.snapshot.names_file import DEFAULT_HASH_KEY, NameEntry, compile_names, entries_of, read_entries
from dnsfilter.snapshot.ranges_file import compile_ranges
from dnsfilter.snapshot.rules_file import compile_rules
from dnsfilter.snapshot.sections import File, read_file

__all__ = ["KEPT_PAST_S", "Compiled", "File", "KeptBlocks", "compile_names", "compile_policy", "compile_without_names"]

KEPT_PAST_S = DAY_S
"""Spans that ended longer before the creation than this are left out. Clocks differ by less than a day."""


@dataclass(frozen=True, slots=True)
class Classified:
    """The input of a ranges file, and the classes that it numbers."""

    ranges: tuple[Range, ...]
    exempted: frozenset[tuple[str, Prefix]]
    levels: Mapping[str, Usage]
    classes: tuple[RangeClass, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A snapshot that is ready to be published."""

    revision: int
    made_s: Instant
    manifest: bytes
    names: File
    ranges: File
    rules: File
    entries: tuple[NameEntry, ...] = field(compare=False, repr=False)
    classified: Classified = field(compare=False, repr=False)
    made: Made = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A snapshot without its names file, whose entries it has, and without its manifest."""

    ranges: File
    rules: File
    entries: tuple[NameEntry, ...] = field(repr=False)
    classified: Classified = field(compare=False, repr=False)
    made: Made = field(compare=False, repr=False)


def compile_policy(
    policy: Policy,
    made_s: Instant,
    *,
    hash_key: bytes = DEFAULT_HASH_KEY,
    names: File | None = None,
    before: Compiled | None = None,
) -> Compiled:
    """Compile the snapshot of `policy`, valid from a day before `made_s` on.

    `names` is the result of `compile_names` for the same services. With a million names that takes seconds, and a
    toggle changes no names. `before` is an earlier snapshot. Its ranges file is reused if the ranges, those that
    exemptions name, and the authorities' levels of usage are the same. Its rows are reused if their input is the same.

    Raise PolicyError for a policy that contradicts itself or does not fit the format.
    """
    if names is None:
        names = compile_names(policy.services, hash_key)
    compiled = compile_without_names(policy, made_s, before)
    ranges, rules, entries = compiled.ranges, compiled.rules, compiled.entries
    checked = before is not None and before.names is names and before.entries == entries
    if not checked and read_entries(read_file(Kind.NAMES, names.data)) != entries:
        raise PolicyError("compile snapshot: the names file is not compiled from the policy's services")
    files = _reference(names), _reference(ranges), _reference(rules)
    manifest = write_manifest(Manifest(policy.revision, made_s, *files, epoch=policy.epoch))
    return Compiled(
        policy.revision, made_s, manifest, names, ranges, rules, entries, compiled.classified, compiled.made
    )


def compile_without_names(policy: Policy, made_s: Instant, before: Compiled | None = None) -> Unnamed:
    """Return the ranges and rules of `compile_policy`. They need only the services and tiers of the names.

    Raise PolicyError for a policy that contradicts itself or does not fit the format.
    """
    since = made_s - KEPT_PAST_S
    policy = without_ended_exemptions(policy, since)
    try:
        classified, ranges = _ranges(policy, before)
        maker = RowMaker(policy, before.made if before is not None else None)
        entries = entries_of(policy.services)
        rules = compile_rules(policy, classified.classes, entries, since, maker)
    except struct.error as error:
        raise PolicyError(f"compile snapshot: a number of revision {policy.revision} is beyond the format") from error
    return Unnamed(ranges, rules, entries, classified, maker.made)


def _ranges(policy: Policy, before: Compiled | None) -> tuple[Classified, File]:
    """Return the ranges file and its input. Reuse those of `before` if the input is the same."""
    exempted, levels = exempted_ranges(policy), usage_levels(policy)
    held = None if before is None else before.classified
    if (
        before is not None
        and held is not None
        and ((held.exempted, held.levels, held.ranges) == (exempted, levels, policy.ranges))
    ):
        # Keep this policy's ranges, which the next policy also has: comparing identical objects is fast.
        return replace(held, ranges=policy.ranges), before.ranges
    by_range = classify(policy)
    classes = range_classes(by_range)
    file = compile_ranges(policy, by_range, {c: number for number, c in enumerate(classes)})
    return Classified(policy.ranges, exempted, levels, classes), file


def _reference(file: File) -> FileRef:
    return FileRef(file.digest, len(file.data))
