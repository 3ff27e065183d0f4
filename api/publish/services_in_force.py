"""Which services are in force: the catalogue's, those that rows replace or add, and refused single names. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from dnsfilter.policy.model import Ban, Service
from dnsfilter.policy.single_names import is_single_name, single_name


def services_in_force(
    stored: Sequence[Service], bans: Iterable[Ban], catalogue: Mapping[str, Service]
) -> Mapping[str, Service]:
    """Return all services by slug: those of the catalogue, `stored` that replace or add some, banned single names."""
    single = sorted({ban.service for ban in bans if is_single_name(ban.service)})
    if not stored and not single:
        return catalogue
    replaced = {service.slug: service for service in stored}
    return {**catalogue, **replaced, **{name: single_name(name) for name in single}}
