"""Faults of names in a policy: tiers of services, and single names."""

from collections.abc import Iterator

from dnsfilter.errors import Problem
from dnsfilter.policy.bounds import FIRST_YEAR, LAST_INSTANT, LAST_YEAR
from dnsfilter.policy.model import Instant, Service, WireName
from dnsfilter.wire.names import MAX_NAME, ROOT


def tier_problems(location: str, service: Service) -> Iterator[Problem]:
    """Yield what is wrong with the tiers of a service."""
    seen: set[tuple[int, Instant | None]] = set()
    for index, tier in enumerate(service.tiers):
        if (tier.number, tier.enforced_from) in seen:
            yield Problem(f"{location}.tier[{index}]", f"tier {tier.number} is given twice for one instant: join them")
        seen.add((tier.number, tier.enforced_from))
        if tier.enforced_from is not None and not 0 < tier.enforced_from <= LAST_INSTANT:
            message = f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}"
            yield Problem(f"{location}.tier[{index}].enforced_from", message)


def name_problems(location: str, name: WireName) -> Iterator[Problem]:
    """Yield what is wrong with a name that is to be matched."""
    if name == ROOT or len(name) > MAX_NAME or name != name.lower():
        yield Problem(location, f"{name!r} is not a lower-case wire name below the root")
