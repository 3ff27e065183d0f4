"""Names that an authority refuses or allows by itself. A refused one is a ban whose service is the name. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from dnsfilter.policy.bounds import MAX_NAME_MONTHS, NAME_REVIEW_MONTHS
from dnsfilter.policy.calendar import end_of_last_day, parse_span
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    AllowedName,
    Ban,
    FormalDecision,
    Instant,
    Mode,
    Policy,
    Reply,
    Service,
    Tier,
    WireName,
)
from dnsfilter.translatable import Text
from dnsfilter.wire.name_or_url import parse_typed_name
from dnsfilter.wire.names import ROOT, is_at_or_below, label_count, name_text, parse_name, suffixes

KEPT_NAMES: Final = 100_000
"""Services of single names that are kept, because every act makes a policy of all of them."""
WITH_ALL_BELOW: Final = frozenset({1})
"""The tiers of a ban that refuses a name and all below it."""
EXACTLY: Final = frozenset({2})
"""The tiers of a ban that refuses exactly a name."""
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")


class NameVerdict(StrEnum):
    """What an authority decides about a name."""

    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class LocalName:
    """A name that one node refuses or allows for an authority's clients over `[start, end)`, by an act on that node."""

    authority: str
    name: WireName
    exact: bool
    verdict: NameVerdict
    start: Instant
    end: Instant
    reason: str = ""

    def covers(self, name: WireName) -> bool:
        """Return whether it refuses or allows `name`."""
        return covers(self.name, self.exact, name)


def is_single_name(service: str) -> bool:
    """Return whether a ban's service is a name that an authority refuses by itself. Slugs have no dot."""
    return "." in service


@lru_cache(maxsize=KEPT_NAMES)
def single_name(text: str) -> Service:
    """Return the service of a single name: tier 1 is the name and all below it, tier 2 is exactly the name."""
    wire = frozenset({parse_name(text)})
    return Service(text, text, (Tier(1, domains=wire), Tier(2, hosts=wire)))


def with_single_names(catalogue: Mapping[str, Service], names: Iterable[str]) -> Mapping[str, Service]:
    """Return all services by slug: those of the catalogue, and those of refused single names."""
    single = sorted({name for name in names if is_single_name(name)})
    return {**catalogue, **{name: single_name(name) for name in single}} if single else catalogue


def parse_single_name(text: str) -> WireName:
    """Return the name that a person types or pastes: a name in any script, or a URL, which stands for its host.

    Raise ValueError unless it can be refused or allowed by itself: it has two labels of letters, digits, - and _.
    """
    name = parse_typed_name(text)
    if label_count(name) < 2:
        raise ValueError(
            Text(
                "{name!r} is a top-level domain: write a name below it, such as www.example.com",
                name=name_text(name),
            )
        )
    if _HOST.fullmatch(name_text(name)) is None:
        raise ValueError(
            Text("{name!r} is not the name of a host: write for example www.example.com", name=name_text(name))
        )
    return name


def covers(name: WireName, exact: bool, other: WireName) -> bool:
    """Return whether a name covers `other`: it is the same, or, unless `exact`, a name above it."""
    return other == name or (not exact and is_at_or_below(other, name))


def concerns(service: Service, tiers: Collection[int], name: WireName, exact: bool) -> bool:
    """Return whether these tiers refuse `name`, or, unless `exact`, a name below it."""
    return any(_concerns(tier, name, exact) for tier in service.tiers if tier.number in tiers)


def _concerns(tier: Tier, name: WireName, exact: bool) -> bool:
    if name in tier.hosts or not tier.domains.isdisjoint(suffixes(name)):
        return True
    return not exact and any(_any_below(entries, name) for entries in (tier.domains, tier.hosts))


def _any_below(entries: Iterable[WireName], name: WireName) -> bool:
    # A list may have a million entries: compare bytes first.
    return any(entry.endswith(name) and is_at_or_below(entry, name) for entry in entries)


def default_review(start: Instant, time_zone: str) -> Instant:
    """Return when a name that is refused or allowed from `start` is reviewed, if neither end nor review is given."""
    return end_of_last_day(start, parse_span(f"{NAME_REVIEW_MONTHS} months"), time_zone)


def latest_end(start: Instant, time_zone: str) -> Instant:
    """Return the latest end and the latest review of a name that is refused or allowed from `start`."""
    return end_of_last_day(start, parse_span(f"{MAX_NAME_MONTHS} months"), time_zone)


def contradictions(policy: Policy) -> Iterator[tuple[AllowedName, Ban]]:
    """Yield each allowed name with a name that its authority refuses meanwhile, and that it covers."""
    by_name: dict[tuple[str, WireName], list[AllowedName]] = {}
    for allowed in policy.allowed:
        by_name.setdefault((allowed.authority, allowed.name), []).append(allowed)
    for ban in policy.bans if by_name else ():
        name = parse_name(ban.service) if is_single_name(ban.service) else ROOT
        for suffix in suffixes(name):
            for allowed in by_name.get((ban.authority, suffix), ()):
                overlaps = any(term.period.overlaps(allowed.start, allowed.end) for term in ban.terms)
                if overlaps and covers(allowed.name, allowed.exact, name):
                    yield allowed, ban


def is_plain_refusal(ban: Ban) -> bool:
    """Return whether a ban is on a single name, and nothing but the name and its terms was chosen."""
    return (
        is_single_name(ban.service)
        and (ban.mode, ban.reply, ban.off_until, ban.provisional) == (Mode.ENFORCE, Reply.REFUSED, None, False)
        and ban.tiers in (WITH_ALL_BELOW, EXACTLY)
        and (ban.funding, ban.audience) == (DEFAULT_FUNDING, DEFAULT_AUDIENCE)
        and all(decision == FormalDecision() for decision in (ban.decision, *(term.decision for term in ban.terms)))
    )
