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

_Counted = TypeVar("_Counted", Pair, str)
_GROUNDS: dict[Ground | None, BanGround] = {
    None: BanGround.OWN,
    Ground.LAW: BanGround.LAW,
    Ground.AGREEMENT: BanGround.AGREEMENT,
}


class Counted:
    """The counts of the classes of authorities that count their queries, each with a number."""

    def __init__(
        self, counting: Iterable[tuple[RangeClass, Iterable[tuple[int, Ground | None]]]], bans: Mapping[int, Ban]
    ) -> None:
        """Number what these classes count, in their order: the number of each ban, with each of its grounds."""
        self.bans: dict[BanCount, int] = {}
        self._by_class: dict[RangeClass, dict[tuple[int, Ground | None], int]] = {}
        for range_class, grounds in counting:
            own = self._by_class[range_class] = {}
            authority, (site, prefix) = range_class.authority, range_class.counted or ("", "")
            for number, ground in grounds:
                ban = bans[number]
                count = BanCount(authority, ban.service, ban.authority, _GROUNDS[ground], site, prefix)
                own[number, ground] = self.bans.setdefault(count, len(self.bans))
        self.pairs = _numbered({(count.authority, count.service) for count in self.bans})
        self.authorities = _numbered({range_class.authority for range_class in self._by_class})

    def numbers(self, range_class: RangeClass) -> Mapping[tuple[int, Ground | None], int]:
        """Return the ban count of each ban that the class counts, by the ban's number and ground."""
        return self._by_class.get(range_class, {})

    def sections(
        self, strings: Strings, rule_counts: Sequence[int], classes: Sequence[RangeClass]
    ) -> dict[Part, bytes]:
        """Return the sections. `rule_counts` has the ban count of each rule, or `NONE`."""
        named = {text for count in self.bans for text in (*count[:3], *count[4:])}
        texts = {text: strings.add(text) for text in sorted(named)}
        by_class = [self.authorities.get(each.authority, NONE) for each in classes]
        return {
            Part.PAIRS: b"".join(PAIR.pack(texts[authority], texts[service]) for authority, service in self.pairs),
            Part.BAN_COUNTS: b"".join(
                BAN_COUNT.pack(
                    texts[authority], texts[service], texts[by], texts[site], texts[prefix], GROUNDS.index(ground)
                )
                for authority, service, by, ground, site, prefix in self.bans
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


class _Texts(dict[int, str]):
    """The strings of a file by reference, each read once: a thousand authorities have few strings and many counts."""

    def __init__(self, strings: Section) -> None:
        super().__init__({0: ""})
        self._strings = strings

    def __missing__(self, reference: int) -> str:
        text = self[reference] = intern(self._strings.text(reference))
        return text


def read_counts(parts: Mapping[Part, Section], rules: int, authorities: Sequence[str]) -> CountTable:
    """Read the counts. `authorities` are those of the classes. Raise SnapshotError for a number that does not exist."""
    texts = _Texts(parts[Part.STRINGS])
    pairs = tuple((texts[authority], texts[service]) for authority, service in parts[Part.PAIRS].all_records(PAIR))
    bans = _read_ban_counts(texts, parts.get(Part.BAN_COUNTS))
    by_rule = _numbers(parts, Part.RULE_COUNTS, RULE_COUNT, rules)
    by_class = _numbers(parts, Part.CLASS_COUNTS, CLASS_COUNT, len(authorities))
    named: dict[int, str] = {}
    for number, authority in zip(by_class, authorities, strict=True):
        if number >= 0 and named.setdefault(number, intern(authority)) != authority:
            raise SnapshotError(f"read snapshot: {authority} counts as {named[number]}")
    if max(by_rule, default=-1) >= len(bans) or max(named, default=-1) >= len(named):
        raise SnapshotError("read snapshot: a rule or a class has a count that does not exist")
    return CountTable(PolicyWords(pairs, bans, tuple(named[number] for number in sorted(named))), by_rule, by_class)


def _read_ban_counts(texts: _Texts, section: Section | None) -> tuple[BanCount, ...]:
    records = () if section is None else tuple(section.all_records(BAN_COUNT))
    for *_, ground in records:
        if ground >= len(GROUNDS):
            raise SnapshotError(f"read snapshot: a ban count has the unknown ground {ground}")
    return tuple(
        BanCount(texts[authority], texts[service], texts[ban_authority], GROUNDS[ground], texts[site], texts[prefix])
        for authority, service, ban_authority, site, prefix, ground in records
    )


def _numbers(parts: Mapping[Part, Section], part: Part, shape: Struct, wanted: int) -> tuple[int, ...]:
    """Return the numbers of an optional section, which has `wanted` records if it is there. -1 for none."""
    section = parts.get(part)
    if section is None:
        return (-1,) * wanted
    found = tuple(-1 if number == NONE else number for (number,) in section.all_records(shape))
    if len(found) != wanted:
        raise SnapshotError(f"read snapshot: {section.what} has {len(found)} records instead of {wanted}")
    return found
