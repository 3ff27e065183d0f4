"""Services of the catalogue as read."""

from datetime import date

from api.http.schemas import Read


class TierRead(Read):
    """One tier: `domains` match a name and all below it, `hosts` one name exactly."""

    number: int
    title: str
    description: str
    domains: list[str]
    hosts: list[str]


class SourceRead(Read):
    """Where names of the service come from."""

    id: str
    what: str
    licence: str
    revision: str


class ServiceSummary(Read):
    """A service in a list."""

    slug: str
    name: str
    category: str
    reviewed: date
    tiers: list[int]
    names: int


class ServiceRead(Read):
    """A service with every name of it."""

    slug: str
    name: str
    category: str
    reviewed: date
    sources: list[SourceRead]
    tiers: list[TierRead]
