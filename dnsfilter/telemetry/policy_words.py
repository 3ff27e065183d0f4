"""The layout of a policy area: what each of its words counts under one rules file.

The words are, in this order: three of each pair, three of each ban count, four of each authority's bypass attempts.
The rules file lists pairs, ban counts and authorities by number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from dnsfilter.telemetry import metrics
from dnsfilter.telemetry.metrics import BanGround, BanResult, Bypass, Metric
from dnsfilter.telemetry.slots import Labels

Pair: TypeAlias = tuple[str, str]
"""Slugs of a client's authority and a service."""
Sample: TypeAlias = tuple[str, Labels]
"""A metric's name and labels. A histogram's bucket has `le` as its last label; its sum (ns) has none."""
BanUsage: TypeAlias = tuple[str, str, str, str, str, str | None]
"""Client's authority, service, deciding authority, ground, result, and the prefix of a range counted on its own."""
BypassUsage: TypeAlias = tuple[str, str]
"""Client's authority, and kind of bypass attempt."""

PendingUsage: TypeAlias = tuple[str, str, str]
"""Client's authority, service, and pending name as text."""


class PolicyKind(IntEnum):
    """The kinds of counts of a pair, and of a ban count."""

    REFUSED = 0
    MONITORED = 1
    EXEMPTED = 2


POLICY_KINDS: Final = len(PolicyKind)
BYPASS_KINDS: Final = len(Bypass)
BYPASS_KIND: Final[Mapping[Bypass, int]] = MappingProxyType({kind: number for number, kind in enumerate(Bypass)})
"""Kind of bypass attempt -> its place among the words of an authority."""
_PAIR_METRICS: Final[tuple[Metric, ...]] = (metrics.REFUSED, metrics.MONITORED, metrics.EXEMPTED)
_RESULTS: Final = (BanResult.REFUSED, BanResult.MONITORED, BanResult.EXEMPTED)
_BYPASS: Final = tuple(Bypass)


class BanCount(NamedTuple):
    """The bans on one service, decided by one authority, that apply to one authority's clients on one ground.

    `site` and `prefix` are those of a range that is counted on its own, or empty for all other ranges.
    """

    authority: str
    service: str
    ban_authority: str
    ground: BanGround
    site: str = ""
    prefix: str = ""


def policy_word(number: int, kind: int) -> int:
    """Return the word of a pair. That of a ban count is as far from `PolicyWords.first_ban`."""
    return number * POLICY_KINDS + kind


def bypass_word(number: int, kind: int) -> int:
    """Return how far the word of an authority's bypass attempts is from `PolicyWords.first_bypass`."""
    return number * BYPASS_KINDS + kind


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """What is counted under one rules file, each by number. `bypass` has slugs of authorities."""

    pairs: tuple[Pair, ...] = ()
    bans: tuple[BanCount, ...] = ()
    bypass: tuple[str, ...] = ()

    @property
    def first_ban(self) -> int:
        """The first word of the ban counts."""
        return len(self.pairs) * POLICY_KINDS

    @property
    def first_bypass(self) -> int:
        """The first word of the bypass attempts."""
        return self.first_ban + len(self.bans) * POLICY_KINDS

    @property
    def size(self) -> int:
        """The number of words."""
        return self.first_bypass + len(self.bypass) * BYPASS_KINDS

    def sample(self, word: int) -> Sample:
        """Return the metric and labels that a word counts for. Raise IndexError for a word beyond `size`."""
        if word < self.first_ban:
            number, kind = divmod(word, POLICY_KINDS)
            authority, service = self.pairs[number]
            return _PAIR_METRICS[kind].name, (("authority", authority), ("service", service))
        if word < self.first_bypass:
            number, kind = divmod(word - self.first_ban, POLICY_KINDS)
            # No metric has a label for a range. Its queries are part of its authority's.
            labels = zip(metrics.BAN_QUERIES.labels, (*self.bans[number][:4], _RESULTS[kind]), strict=True)
            return metrics.BAN_QUERIES.name, tuple(labels)
        number, kind = divmod(word - self.first_bypass, BYPASS_KINDS)
        return metrics.AUTHORITY_BYPASS.name, (("authority", self.bypass[number]), ("kind", _BYPASS[kind]))

    def ban_usage(self, word: int) -> BanUsage | None:
        """Return what a word of a ban count counts for a report of usage; None for other words."""
        if not self.first_ban <= word < self.first_bypass:
            return None
        number, kind = divmod(word - self.first_ban, POLICY_KINDS)
        authority, service, ban_authority, ground, _, prefix = self.bans[number]
        return authority, service, ban_authority, ground.value, _RESULTS[kind].value, prefix or None

    def bypass_usage(self, word: int) -> BypassUsage | None:
        """Return what a word of bypass attempts counts for a report of usage; None for other words."""
        if word < self.first_bypass:
            return None
        number, kind = divmod(word - self.first_bypass, BYPASS_KINDS)
        return self.bypass[number], _BYPASS[kind].value

    def shown(self) -> frozenset[tuple[str, str]]:
        """Return each metric that has a word here, with the authority that it counts for."""
        pairs, bans = {pair[0] for pair in self.pairs}, {ban.authority for ban in self.bans}
        return frozenset(
            (
                *((metric.name, authority) for metric in _PAIR_METRICS for authority in pairs),
                *((metrics.BAN_QUERIES.name, authority) for authority in bans),
                *((metrics.AUTHORITY_BYPASS.name, authority) for authority in self.bypass),
            )
        )
