"""The policy as values: authorities, sites, ranges, services, bans and what modifies them.

Everything is immutable and already normalised: names are lower-cased wire names (RFC 1035 section 3.1, uncompressed,
ending in the root label), instants are whole seconds of UTC. An interval is `[start, end)`; an `end` of None is open.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Instant: TypeAlias = int
"""Seconds since 1970-01-01 00:00 UTC."""
Address: TypeAlias = IPv4Address | IPv6Address
Prefix: TypeAlias = IPv4Network | IPv6Network
WireName: TypeAlias = bytes
"""A lower-cased, uncompressed wire name with its root label."""

DEFAULT_SITE = "default"
DEFAULT_TIERS = frozenset({1, 2})


class Kind(StrEnum):
    """What sort of public body an authority is."""

    FEDERAL = "federal"
    COMMUNITY = "community"
    REGION = "region"
    PROVINCE = "province"
    MUNICIPALITY = "municipality"
    OCMW_CPAS = "ocmw_cpas"
    POLICE_ZONE = "police_zone"
    RESCUE_ZONE = "rescue_zone"
    INTERMUNICIPAL = "intermunicipal"
    AGENCY = "agency"
    SCHOOL = "school"


class Funding(StrEnum):
    """Who paid for a range's devices."""

    PUBLIC = "public"
    PARTLY_PUBLIC = "partly_public"
    PRIVATE = "private"


class Audience(StrEnum):
    """Who uses a range's devices."""

    STAFF = "staff"
    PUBLIC = "public"
    PUPILS = "pupils"


class Mode(StrEnum):
    """What a ban does to a matching query. `off` shields nothing from other bans."""

    ENFORCE = "enforce"
    MONITOR = "monitor"
    OFF = "off"


class Reply(StrEnum):
    """How a refused query is answered."""

    REFUSED = "refused"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    ADDRESS = "address"


class Usage(StrEnum):
    """What is counted of an authority's queries."""

    NONE = "none"
    AUTHORITY = "authority"


PLANNED_USAGE = frozenset({"range", "client"})
"""Levels that have no effect yet. Older policies may have them; they count as `authority`."""


class Ground(StrEnum):
    """Why one authority's ban applies in another."""

    LAW = "law"
    AGREEMENT = "agreement"


DEFAULT_FUNDING = frozenset({Funding.PUBLIC, Funding.PARTLY_PUBLIC})
DEFAULT_AUDIENCE = frozenset({Audience.STAFF})


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """The formal decision behind a ban, a term or a closing. `follows` is the number of the ban that was adopted."""

    organ: str = ""
    reference: str = ""
    date: str = ""
    legal_basis: str = ""
    advice: str = ""
    link: str = ""
    follows: int | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """That an authority ceases to be at `at`, by a decision; `successor` is the authority that it was merged into."""

    at: Instant
    reason: str = ""
    decision: DecisionRecord = DecisionRecord()
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """A public body. `names` pairs a language tag with a name; `contact` is a function's address, never a person's.

    What it decided, and what binds it, ends at the latest when it closes; its ranges stay.
    """

    slug: str
    kind: Kind
    names: tuple[tuple[str, str], ...]
    languages: tuple[str, ...]
    time_zone: str
    contact: str
    usage: Usage = Usage.AUTHORITY
    group: str = ""
    closing: Closing | None = None

    def name(self, language: str) -> str:
        """The name in `language`, else in the first of its own languages, else its slug."""
        names = dict(self.names)
        return names.get(language) or next((names[tag] for tag in self.languages if tag in names), self.slug)


@dataclass(frozen=True, slots=True)
class Site:
    """A network with an address plan of its own."""

    slug: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """A prefix of one site, registered to one authority."""

    prefix: Prefix
    authority: str
    funding: Funding
    audience: Audience
    label: str = ""
    site: str = DEFAULT_SITE


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of a service: `domains` match a name and all below it, `hosts` one name exactly."""

    number: int
    domains: frozenset[WireName] = frozenset()
    hosts: frozenset[WireName] = frozenset()


@dataclass(frozen=True, slots=True)
class Service:
    """An entry of the catalogue."""

    slug: str
    name: str
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """When something that was decided has effect: in `[start, end)`, and not before `recorded`.

    `end` is the effective end: the decided one, or an earlier one by an act. `recorded` is when it was recorded,
    approved or accepted. If it is None, that has not happened, and there is no effect.
    """

    start: Instant
    end: Instant | None
    recorded: Instant | None

    @property
    def is_void(self) -> bool:
        """Whether it ends before it starts, or when it does: an act ended it before it started."""
        return self.end is not None and self.end <= self.start

    @property
    def begins(self) -> Instant | None:
        """When the effect begins. None if there is never an effect."""
        if self.recorded is None:
            return None
        begins = max(self.start, self.recorded)
        return begins if self.end is None or begins < self.end else None

    def holds(self, at: Instant) -> bool:
        """Return whether it is in force at `at`."""
        return self.recorded is not None and self.recorded <= at and self.covers(at)

    def covers(self, at: Instant) -> bool:
        """Return whether it has started and not ended at `at`, also if it was recorded later."""
        return self.start <= at and not self.has_ended(at)

    def is_ahead(self, at: Instant) -> bool:
        """Return whether it comes into force after `at`."""
        return self.begins is not None and self.begins > at

    def has_ended(self, at: Instant) -> bool:
        """Return whether it is over at `at`, or void."""
        return self.end is not None and (self.end <= at or self.is_void)

    def overlaps(self, start: Instant, end: Instant | None) -> bool:
        """Return whether its own `[start, end)` has an instant in common with this one."""
        return (self.end is None or start < self.end) and (end is None or self.start < end)

    def end_by_act(self, at: Instant, now: Instant) -> Instant:
        """Return the end that an act at `now` gives it if it shall end at `at`.

        If it starts in the second of the act, it has begun, and ends in the next second.
        """
        return max(at, self.start + (self.start <= now))


@dataclass(frozen=True, slots=True)
class Term:
    """One period of a ban. `start` is as decided; nothing has effect before `recorded`."""

    start: Instant
    end: Instant | None = None
    review_by: Instant | None = None
    recorded: Instant = 0
    decision: DecisionRecord = DecisionRecord()

    @property
    def period(self) -> Period:
        """When the term has effect."""
        return Period(self.start, self.end, self.recorded)


@dataclass(frozen=True, slots=True)
class Ban:
    """An authority's decision on one service. `number` is unique and only grows.

    Before `off_until` the ban is off; then `mode` returns by itself.
    """

    number: int
    authority: str
    service: str
    mode: Mode
    terms: tuple[Term, ...]
    reply: Reply = Reply.REFUSED
    addresses: tuple[Address, ...] = ()
    tiers: frozenset[int] = DEFAULT_TIERS
    funding: frozenset[Funding] = DEFAULT_FUNDING
    audience: frozenset[Audience] = DEFAULT_AUDIENCE
    decision: DecisionRecord = DecisionRecord()
    provisional: bool = False
    off_until: Instant | None = None

    def mode_at(self, at: Instant) -> Mode:
        """Return the mode at an instant."""
        return Mode.OFF if self.off_until is not None and at < self.off_until else self.mode


@dataclass(frozen=True, slots=True)
class Binding:
    """The record that a ban applies in another authority too; an agreement only once accepted.

    `end` is already the earlier of the agreed end and a withdrawal.
    """

    number: int
    ban: int
    authority: str
    ground: Ground
    start: Instant
    end: Instant | None = None
    accepted: Instant | None = None
    recorded: Instant = 0
    instrument: str = ""
    date: str = ""

    @property
    def period(self) -> Period:
        """When the binding has effect."""
        return Period(self.start, self.end, bound_since(self.ground, self.recorded, self.accepted))


def bound_since(ground: Ground, recorded: Instant, accepted: Instant | None) -> Instant | None:
    """Return when a binding was given effect: a law when it was recorded, an agreement when it was accepted too."""
    if ground is Ground.LAW:
        return recorded
    return None if accepted is None else max(recorded, accepted)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours of a week in a time zone: `days` are 0 (Monday) to 6, minutes count from local midnight, end exclusive.

    `end_minute` is greater than `start_minute` and at most 1440.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Exemption:
    """Sets one ban aside in the named ranges of a site, over `[start, end)`, or only in weekly hours within it.

    It has effect only once approved, and ends at the latest a year after its start, in `time_zone`: that of the ban's
    authority, if empty. The zone makes no difference to what the exemption is.
    """

    number: int
    ban: int
    ranges: frozenset[Prefix]
    start: Instant
    end: Instant
    hours: tuple[WeeklyHours, ...] = ()
    site: str = DEFAULT_SITE
    reason: str = ""
    approved: Instant | None = None
    time_zone: str = field(default="", compare=False)

    @property
    def period(self) -> Period:
        """When the exemption has effect, apart from its hours."""
        return Period(self.start, self.end, self.approved)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Nothing is refused for `authority` (None: for all) over `[start, end)`; what would be is counted as exempted."""

    authority: str | None
    start: Instant
    end: Instant
    reason: str = ""
    number: int = 0
    """That of the record; 0 where there is none."""

    @property
    def period(self) -> Period:
        """When the suspension has effect."""
        return Period(self.start, self.end, self.start)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything above at one revision."""

    revision: int
    authorities: tuple[Authority, ...] = ()
    sites: tuple[Site, ...] = (Site(DEFAULT_SITE),)
    ranges: tuple[Range, ...] = ()
    services: tuple[Service, ...] = ()
    bans: tuple[Ban, ...] = ()
    bindings: tuple[Binding, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
