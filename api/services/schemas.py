"""Response schemas of services."""

from datetime import date

from api.http.schemas import Read


class TierRead(Read):
    """One tier. `domains` match a name and all names below it; `hosts` match one name exactly."""

    number: int
    title: str
    description: str
    domains: list[str]
    hosts: list[str]


class SourceRead(Read):
    """A source of the service's domain names."""

    id: str
    what: str
    licence: str
    revision: str


class ServiceSummary(Read):
    """A service in a list. `names` is the number of its domain names."""

    slug: str
    name: str
    category: str
    reviewed: date
    tiers: list[int]
    names: int


class ServiceRead(Read):
    """A service with all its domain names."""

    slug: str
    name: str
    category: str
    reviewed: date
    sources: list[SourceRead]
    tiers: list[TierRead]
