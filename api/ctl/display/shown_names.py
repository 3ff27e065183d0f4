"""Look up the names of authorities and services; each is requested once."""

from collections.abc import Collection

from api.authorities.schemas import AuthorityRead
from api.ctl.display.local_times import usable_zone
from api.ctl.remote.client import Client, path
from api.services.schemas import ServiceRead, ServiceSummary
from dnsfilter.policy.single_names import is_single_name

LISTED = 6
"""From this number of unknown slugs on, request the list instead of each object."""
MAX_LISTED = 5_000


def name_of(authority: AuthorityRead) -> str:
    """Return the name in the first of the authority's languages that has one, else the slug."""
    return next((authority.names[tag] for tag in authority.languages if tag in authority.names), authority.slug)


class Names:
    """The names for slugs at one control plane. An unknown slug is its own name."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._authorities: dict[str, AuthorityRead | None] = {}
        self._services: dict[str, str] = {}

    def prepare(self, authorities: Collection[str], services: Collection[str] = ()) -> None:
        """Look up many slugs with one request. Raise CtlError."""
        if len(set(authorities) - self._authorities.keys()) >= LISTED:
            found = self._client.list(AuthorityRead, path("authorities"), MAX_LISTED)
            self._authorities |= {authority.slug: authority for authority in found.items}
        if len(set(services) - self._services.keys()) >= LISTED:
            listed = self._client.list(ServiceSummary, path("services"), MAX_LISTED)
            self._services |= {service.slug: service.name for service in listed.items}

    def authority(self, slug: str) -> str:
        """Return the name of an authority."""
        found = self._authority(slug)
        return slug if found is None else name_of(found)

    def labelled(self, slug: str | None, without: str = "none") -> str:
        """Return slug and name of an authority, "ghent  Stad Gent", or the text `without` if there is none."""
        return f"{slug}  {self.authority(slug)}" if slug else without

    def service(self, slug: str) -> str:
        """Return the name of a service."""
        if is_single_name(slug):
            return slug
        if slug not in self._services:
            found = self._client.find(ServiceRead, path("services", slug))
            self._services[slug] = slug if found is None else found.name
        return self._services[slug]

    def time_zone(self, slug: str | None) -> str | None:
        """Return the authority's time zone; UTC if this machine does not know it; None without a known authority."""
        found = None if slug is None else self._authority(slug)
        return None if found is None else usable_zone(found.time_zone)

    def both(self, reference: str) -> tuple[str, str, str, str]:
        """Return authority and service of a reference like "ghent/tiktok", each as slug and name."""
        authority, _, service = reference.partition("/")
        return authority, self.authority(authority), service, self.service(service)

    def words(self, reference: str) -> str:
        """Return a reference as a phrase: "Stad Gent (ghent) on TikTok (tiktok)"."""
        authority, authority_name, service, service_name = self.both(reference)
        on = service if service == service_name else f"{service_name} ({service})"
        return f"{authority_name} ({authority}) on {on}"

    def _authority(self, slug: str) -> AuthorityRead | None:
        if slug not in self._authorities:
            self._authorities[slug] = self._client.find(AuthorityRead, path("authorities", slug))
        return self._authorities[slug]
