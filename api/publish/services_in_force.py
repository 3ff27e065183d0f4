"""Which services are in force: the catalogue's, those that rows replace or add, and refused single names. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from dnsfilter.policy.model import Ban, Service
from dnsfilter.policy.single_names import with_single_names


def services_in_force(
    stored: Sequence[Service], bans: Iterable[Ban], catalogue: Mapping[str, Service]
) -> Mapping[str, Service]:
    """Return all services by slug: those of the catalogue, `stored` that replace or add some, banned single names."""
    replaced = {**catalogue, **{service.slug: service for service in stored}} if stored else catalogue
    return with_single_names(replaced, (ban.service for ban in bans))
