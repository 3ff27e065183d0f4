"""Which stored lists named a domain, and since when."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import CatalogueRow, ListRow, PublicationRow
from api.publish.past_policies import Publication, own_list_at, publication_of
from api.publish.service_lists import service_of
from dnsfilter.policy.decide import matched_tiers
from dnsfilter.policy.model import Service, WireName
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.wire.names import name_text


@dataclass(frozen=True, slots=True)
class Listed:
    """A name in a tier of a service that covers a question; `digest` is that of the list.

    `since` is the first of the consecutive publications whose lists had the name in that tier.
    """

    service: str
    tier: int
    name: str
    exact: bool
    digest: str
    since: Publication


def listed(session: Session, found: Publication, services: Mapping[str, Service], name: WireName) -> list[Listed]:
    """Return every list of the publication that names `name`, by service and tier."""
    lists = Lists(session)
    return [
        Listed(
            service,
            tier,
            name_text(suffix),
            exact,
            lists.digest(placed(found), service),
            lists.since(found, service, tier, suffix),
        )
        for service, tier, suffix, exact in _named(services, name)
    ]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a publication stands: its number, the revision that it published, and the catalogue."""

    number: int
    revision: int
    catalogue: str


@dataclass(slots=True)
class Lists:
    """The stored lists of services, as publications had them; each list is read at most once."""

    session: Session
    _catalogues: dict[str, Mapping[str, str]] = field(init=False)
    _names: dict[str, Mapping[int, frozenset[WireName]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._catalogues = {row.digest: row.lists for row in self.session.scalars(select(CatalogueRow))}

    def packaged(self, catalogue: str, service: str) -> str:
        """Return the digest of a service's list in a catalogue; empty if it is not stored."""
        return self._catalogues.get(catalogue, {}).get(service, "")

    def digest(self, at: Placed, service: str) -> str:
        """Return the digest of a service's list in a publication: that of its row, else the catalogue's; or empty."""
        own = own_list_at(self.session, service, at.revision)
        return own[1] if own is not None and own[1] else self.packaged(at.catalogue, service)

    def since(self, found: Publication, service: str, tier: int, name: WireName) -> Publication:
        """Return the first of the consecutive publications, up to `found`, that list the name.

        A publication lists it if its list of `service` has `name` in that tier.
        """
        first = placed(found)
        while True:
            before = self._last_other(first, service)
            if before is None or not self._has(before, service, tier, name):
                break
            first = before
        floor = 0 if before is None else before.number
        statement = select(PublicationRow).where(PublicationRow.id > floor).order_by(PublicationRow.id).limit(1)
        return publication_of(self.session, self.session.scalars(statement).one())

    def _last_other(self, first: Placed, service: str) -> Placed | None:
        """Return the last publication before `first` that another catalogue, or another row of the service, made."""
        row = PublicationRow
        # Query each catalogue: an index finds its last publication, and there are only as many as upgrades.
        others = [row.catalogue == other for other in self._catalogues if other != first.catalogue]
        own = own_list_at(self.session, service, first.revision)
        if own is not None:
            others.append(row.revision < own[0])
        rows = (
            self.session.scalar(select(row).where(other, row.id < first.number).order_by(row.id.desc()).limit(1))
            for other in others
        )
        last = max((found for found in rows if found is not None), key=lambda found: found.id, default=None)
        return None if last is None else Placed(last.id, last.revision, last.catalogue)

    def names(self, digest: str) -> Mapping[int, frozenset[WireName]]:
        """Return the names of a stored list by tier; empty if it is not stored."""
        self.read((digest,))
        return self._names[digest]

    def read(self, digests: Iterable[str]) -> None:
        """Read these lists from the database, unless they are read already."""
        missing = set(digests) - self._names.keys()
        if not missing:
            return
        rows = self.session.execute(select(ListRow.digest, ListRow.body).where(ListRow.digest.in_(missing)))
        stored = {digest: service_of(body) for digest, body in rows}
        for digest in missing:
            names: dict[int, frozenset[WireName]] = {}
            for tier in stored[digest].tiers if digest in stored else ():
                names[tier.number] = names.get(tier.number, frozenset[WireName]()).union(tier.domains, tier.hosts)
            self._names[digest] = names

    def _has(self, at: Placed, service: str, tier: int, name: WireName) -> bool:
        return name in self.names(self.digest(at, service)).get(tier, frozenset[WireName]())


def placed(found: Publication) -> Placed:
    """Return where a publication stands."""
    return Placed(found.number, found.revision, found.catalogue)


def _named(services: Mapping[str, Service], name: WireName) -> Iterator[tuple[str, int, WireName, bool]]:
    for service in services.values():
        if is_single_name(service.slug):
            # Its ban names it: there is no list.
            continue
        for number, suffix in sorted(matched_tiers(service, name).items()):
            is_domain = any(suffix in tier.domains for tier in service.tiers if tier.number == number)
            yield service.slug, number, suffix, not is_domain
