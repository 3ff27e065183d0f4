"""Which services are in force: the catalogue's, those that rows replace or add, and refused single names. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from dnsfilter.policy.model import Ban, Service, Tier
from dnsfilter.wire.names import parse_name

KEPT_NAMES = 100_000
"""Services of single names that are kept, because every act makes a policy of all of them."""


def services_in_force(
    stored: Sequence[Service], bans: Iterable[Ban], catalogue: Mapping[str, Service]
) -> Mapping[str, Service]:
    """Return all services by slug: those of the catalogue, `stored` that replace or add some, banned single names."""
    single = sorted({ban.service for ban in bans if is_single_name(ban.service)})
    if not stored and not single:
        return catalogue
    replaced = {service.slug: service for service in stored}
    return {**catalogue, **replaced, **{name: single_name(name) for name in single}}


def is_single_name(service: str) -> bool:
    """Return whether a ban's service is a name that an authority refuses by itself. Slugs have no dot."""
    return "." in service


@lru_cache(maxsize=KEPT_NAMES)
def single_name(text: str) -> Service:
    """Return the service of a single name: tier 1 is the name and all below it, tier 2 is exactly the name."""
    wire = frozenset({parse_name(text)})
    return Service(text, text, (Tier(1, domains=wire), Tier(2, hosts=wire)))
