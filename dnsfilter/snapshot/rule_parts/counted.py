"""The counts of a rules file: pairs, ban counts and authorities, and which of them each rule and class feeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from sys import intern
from typing import TypeVar

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Ban, Ground
from dnsfilter.policy.rows import RangeClass
from dnsfilter.snapshot.layout import BAN_COUNT, CLASS_COUNT, GROUNDS, NONE, PAIR, RULE_COUNT, Part
from dnsfilter.snapshot.sections import Section, Strings
from dnsfilter.telemetry.metrics import BanGround
from dnsfilter.telemetry.policy_words import BanCount, Pair, PolicyWords

_Counted = TypeVar("_Counted", BanCount, Pair, str)
_GROUNDS: dict[Ground | None, BanGround] = {
    None: BanGround.OWN,
    Ground.LAW: BanGround.LAW,
    Ground.AGREEMENT: BanGround.AGREEMENT,
}


def ban_count(range_class: RangeClass, ban: Ban, ground: Ground | None) -> BanCount:
    """Return what the queries of a class's clients that match a ban are counted as."""
    return BanCount(
        range_class.authority, ban.service, ban.authority, _GROUNDS[ground], *(range_class.counted or ("", ""))
    )


class Counted:
    """The counts of the classes of authorities that count their queries, each with a number."""

    def __init__(
        self, counting: Iterable[tuple[RangeClass, Mapping[int, Ground | None]]], bans: Mapping[int, Ban]
    ) -> None:
        """Number what these classes count: the ground of each ban, by the ban's number."""
        found: set[BanCount] = set()
        authorities: set[str] = set()
        for range_class, grounds in counting:
            authorities.add(range_class.authority)
            found.update(ban_count(range_class, bans[ban], ground) for ban, ground in grounds.items())
        self.pairs = _numbered({(count.authority, count.service) for count in found})
        self.bans = _numbered(found)
        self.authorities = _numbered(authorities)

    def sections(
        self, strings: Strings, rule_counts: Sequence[int], classes: Sequence[RangeClass]
    ) -> dict[Part, bytes]:
        """Return the sections. `rule_counts` has the ban count of each rule, or `NONE`."""
        add = strings.add
        by_class = [self.authorities.get(each.authority, NONE) for each in classes]
        return {
            Part.PAIRS: b"".join(PAIR.pack(*map(add, pair)) for pair in self.pairs),
            Part.BAN_COUNTS: b"".join(
                BAN_COUNT.pack(*map(add, (*count[:3], *count[4:])), GROUNDS.index(count.ground)) for count in self.bans
            ),
            Part.RULE_COUNTS: b"".join(map(RULE_COUNT.pack, rule_counts if self.bans else ())),
            Part.CLASS_COUNTS: b"".join(map(CLASS_COUNT.pack, by_class if self.authorities else ())),
        }


def _numbered(found: set[_Counted]) -> dict[_Counted, int]:
    return {each: number for number, each in enumerate(sorted(found))}


@dataclass(frozen=True, slots=True)
class CountTable:
    """What is counted, the ban count of each rule, and the number of each class's bypass attempts. -1 for none."""

    words: PolicyWords
    by_rule: Sequence[int]
    by_class: Sequence[int]


def read_counts(parts: Mapping[Part, Section], rules: int, authorities: Sequence[str]) -> CountTable:
    """Read the counts. `authorities` are those of the classes. Raise SnapshotError for a number that does not exist."""
    strings = parts[Part.STRINGS]
    pairs = tuple(
        (intern(strings.text(authority)), intern(strings.text(service)))
        for authority, service in parts[Part.PAIRS].all_records(PAIR)
    )
    given = parts.get(Part.BAN_COUNTS)
    bans = () if given is None else tuple(_read_ban_count(strings, *record) for record in given.all_records(BAN_COUNT))
    by_rule = _numbers(parts, Part.RULE_COUNTS, RULE_COUNT, rules)
    by_class = _numbers(parts, Part.CLASS_COUNTS, CLASS_COUNT, len(authorities))
    named: dict[int, str] = {}
    for number, authority in zip(by_class, authorities, strict=True):
        if number >= 0 and named.setdefault(number, intern(authority)) != authority:
            raise SnapshotError(f"read snapshot: {authority} counts as {named[number]}")
    if max(by_rule, default=-1) >= len(bans) or max(named, default=-1) >= len(named):
        raise SnapshotError("read snapshot: a rule or a class has a count that does not exist")
    return CountTable(PolicyWords(pairs, bans, tuple(named[number] for number in sorted(named))), by_rule, by_class)


def _read_ban_count(
    strings: Section, authority: int, service: int, ban_authority: int, site: int, prefix: int, ground: int
) -> BanCount:
    if ground >= len(GROUNDS):
        raise SnapshotError(f"read snapshot: a ban count has the unknown ground {ground}")
    first, second, third, fourth, fifth = (
        intern(strings.text(each)) for each in (authority, service, ban_authority, site, prefix)
    )
    return BanCount(first, second, third, GROUNDS[ground], fourth, fifth)


def _numbers(parts: Mapping[Part, Section], part: Part, shape: Struct, wanted: int) -> tuple[int, ...]:
    """Return the numbers of an optional section, which has `wanted` records if it is there. -1 for none."""
    section = parts.get(part)
    if section is None:
        return (-1,) * wanted
    found = tuple(-1 if number == NONE else number for (number,) in section.all_records(shape))
    if len(found) != wanted:
        raise SnapshotError(f"read snapshot: {section.what} has {len(found)} records instead of {wanted}")
    return found
