"""Names that an authority refuses or allows by itself. A refused one is a ban whose service is the name. Pure."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    Ban,
    FormalDecision,
    Mode,
    Reply,
    Service,
    Tier,
    WireName,
)
from dnsfilter.wire.name_or_url import parse_typed_name
from dnsfilter.wire.names import is_at_or_below, label_count, name_text, parse_name, suffixes

KEPT_NAMES: Final = 100_000
"""Services of single names that are kept, because every act makes a policy of all of them."""
WITH_ALL_BELOW: Final = frozenset({1})
"""The tiers of a ban that refuses a name and all below it."""
EXACTLY: Final = frozenset({2})
"""The tiers of a ban that refuses exactly a name."""
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")


def is_single_name(service: str) -> bool:
    """Return whether a ban's service is a name that an authority refuses by itself. Slugs have no dot."""
    return "." in service


@lru_cache(maxsize=KEPT_NAMES)
def single_name(text: str) -> Service:
    """Return the service of a single name: tier 1 is the name and all below it, tier 2 is exactly the name."""
    wire = frozenset({parse_name(text)})
    return Service(text, text, (Tier(1, domains=wire), Tier(2, hosts=wire)))


def parse_single_name(text: str) -> WireName:
    """Return the name that a person types or pastes: a name in any script, or a URL, which stands for its host.

    Raise ValueError unless it can be refused or allowed by itself: it has two labels of letters, digits, - and _.
    """
    name = parse_typed_name(text)
    if label_count(name) < 2:
        raise ValueError(f"{name_text(name)!r} is a top-level domain: write a name below it, such as www.example.com")
    if _HOST.fullmatch(name_text(name)) is None:
        raise ValueError(f"{name_text(name)!r} is not the name of a host: write for example www.example.com")
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


def is_plain_refusal(ban: Ban) -> bool:
    """Return whether a ban is on a single name, and nothing but the name and its terms was chosen."""
    return (
        is_single_name(ban.service)
        and (ban.mode, ban.reply, ban.off_until, ban.provisional) == (Mode.ENFORCE, Reply.REFUSED, None, False)
        and ban.tiers in (WITH_ALL_BELOW, EXACTLY)
        and (ban.funding, ban.audience) == (DEFAULT_FUNDING, DEFAULT_AUDIENCE)
        and all(decision == FormalDecision() for decision in (ban.decision, *(term.decision for term in ban.terms)))
    )
