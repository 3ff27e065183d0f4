"""The policy as values: authorities, sites, ranges, services, bans and what modifies them.

Everything is immutable and normalised. Names are lower-case wire names (RFC 1035 section 3.1, uncompressed, ending in
the root label). Instants are seconds of UTC. An interval is `[start, end)`; an `end` of None is open.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from dnsfilter.policy.fleets import FleetName

Instant: TypeAlias = int
"""Seconds since 1970-01-01 00:00 UTC."""
DAY_S = 86_400
"""Seconds of a day without a change of summer time."""
Address: TypeAlias = IPv4Address | IPv6Address
Prefix: TypeAlias = IPv4Network | IPv6Network
WireName: TypeAlias = bytes
"""A lower-case, uncompressed wire name with its root label."""

DEFAULT_SITE = "default"
DEFAULT_TIERS = frozenset({1, 2})
ENCRYPTED_DNS = "encrypted_dns"
"""Slug of the service of resolvers that clients reach by encryption, and so without this one."""


class Kind(StrEnum):
    """Kind of a public authority."""

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
    """Funding of a range's devices."""

    PUBLIC = "public"
    PARTLY_PUBLIC = "partly_public"
    PRIVATE = "private"


class Audience(StrEnum):
    """Users of a range's devices."""

    STAFF = "staff"
    PUBLIC = "public"
    PUPILS = "pupils"


class Mode(StrEnum):
    """Effect of a ban on a matching query. `off` does not protect from other bans."""

    ENFORCE = "enforce"
    MONITOR = "monitor"
    OFF = "off"


class Reply(StrEnum):
    """Answer to a refused query."""

    REFUSED = "refused"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    ADDRESS = "address"


class Usage(StrEnum):
    """Level at which an authority's queries are counted."""

    NONE = "none"
    AUTHORITY = "authority"
    RANGE = "range"


CLIENT_USAGE = "client"
"""The level that only an act of its own sets, for a time: see `Authority.clients_until`."""


class Ground(StrEnum):
    """Legal ground on which one authority's ban applies in another."""

    LAW = "law"
    AGREEMENT = "agreement"


DEFAULT_FUNDING = frozenset({Funding.PUBLIC, Funding.PARTLY_PUBLIC})
DEFAULT_AUDIENCE = frozenset({Audience.STAFF})


@dataclass(frozen=True, slots=True)
class FormalDecision:
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
    """An authority closes at `at`, by a formal decision. It is merged into `successor`, if given."""

    at: Instant
    reason: str = ""
    decision: FormalDecision = FormalDecision()
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """A public authority. `names` pairs a language tag with a name. `contact` is a function's address, not a person's.

    Its bans and bindings end at the latest when it closes. Its ranges stay. Until `clients_until` its usage is at the
    level `client`, then at `usage`. Only an act sets it: a policy file has no word for it. `public_register` says
    whether its bans can be read without an account, `filtering_database` by which identifier browsers find them.
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
    clients_until: Instant | None = None
    public_register: bool = False
    filtering_database: str = ""

    def name(self, language: str) -> str:
        """Return the name in `language`, else in the first of its own languages, else its slug."""
        names = dict(self.names)
        return names.get(language) or next((names[tag] for tag in self.languages if tag in names), self.slug)


@dataclass(frozen=True, slots=True)
class Site:
    """A network with its own address plan."""

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
    """Names of one tier of a service. `domains` match a name and all below it; `hosts` match one name exactly.

    The names are *pending* until `enforced_from`: a ban that enforces only monitors them, unless a binding asks for
    `new_names_at_once`. A service may have several of one number, each with an instant of its own.
    """

    number: int
    domains: frozenset[WireName] = frozenset()
    hosts: frozenset[WireName] = frozenset()
    enforced_from: Instant | None = None

    def is_pending(self, at: Instant) -> bool:
        """Return whether a ban only monitors the names at `at`."""
        return self.enforced_from is not None and at < self.enforced_from


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the catalogue, or an authority's own one. The slug of an own service is `AUTHORITY:SLUG`.

    `source` says where its names come from.
    """

    slug: str
    name: str
    tiers: tuple[Tier, ...]
    source: str = ""
    note: str = ""

    @property
    def authority(self) -> str | None:
        """The authority that defines it, or None."""
        owner, mark, _ = self.slug.partition(":")
        return owner if mark else None


@dataclass(frozen=True, slots=True)
class Period:
    """The time in which an act has effect: in `[start, end)`, and not before `recorded`.

    `end` is the effective end: the decided one, or an earlier one by an act. `recorded` is when the act was recorded,
    approved or accepted. None means that this has not happened, and that there is no effect.
    """

    start: Instant
    end: Instant | None
    recorded: Instant | None

    @property
    def is_void(self) -> bool:
        """Return whether it ends at or before its start: an act ended it before it started."""
        return self.end is not None and self.end <= self.start

    @property
    def begins(self) -> Instant | None:
        """The instant when the effect begins, or None if there is never an effect."""
        if self.recorded is None:
            return None
        begins = max(self.start, self.recorded)
        return begins if self.end is None or begins < self.end else None

    def holds(self, at: Instant) -> bool:
        """Return whether it is in force at `at`."""
        return self.recorded is not None and self.recorded <= at and self.covers(at)

    def covers(self, at: Instant) -> bool:
        """Return whether it has started and not ended at `at`, even if it was recorded later."""
        return self.start <= at and not self.has_ended(at)

    def is_ahead(self, at: Instant) -> bool:
        """Return whether it comes into force after `at`."""
        return self.begins is not None and self.begins > at

    def has_ended(self, at: Instant) -> bool:
        """Return whether it has ended at `at`, or is void."""
        return self.end is not None and (self.end <= at or self.is_void)

    def overlaps(self, start: Instant, end: Instant | None) -> bool:
        """Return whether `[start, end)` has an instant in common with this period."""
        return (self.end is None or start < self.end) and (end is None or self.start < end)

    def end_by_act(self, at: Instant, now: Instant) -> Instant:
        """Return the end if an act at `now` ends it at `at`.

        If it starts in the second of the act, it has begun, and ends in the next second.
        """
        return max(at, self.start + (self.start <= now))


@dataclass(frozen=True, slots=True)
class Term:
    """One period of a ban. `start` is as decided. Nothing has effect before `recorded`."""

    start: Instant
    end: Instant | None = None
    review_by: Instant | None = None
    recorded: Instant = 0
    decision: FormalDecision = FormalDecision()

    @property
    def period(self) -> Period:
        """The time in which the term has effect."""
        return Period(self.start, self.end, self.recorded)


@dataclass(frozen=True, slots=True)
class OnList:
    """The version of a prohibited list that a ban comes from. `reference` is the list's: `ghent/prohibited-apps`."""

    reference: str
    version: int


@dataclass(frozen=True, slots=True)
class Ban:
    """An authority's decision on one service. `number` is unique and only grows.

    Before `off_until` the ban is off. Then `mode` returns automatically. Only a ban on a single name has a `reason`:
    others have a formal decision.
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
    decision: FormalDecision = FormalDecision()
    provisional: bool = False
    off_until: Instant | None = None
    on_list: OnList | None = None
    reason: str = ""

    def mode_at(self, at: Instant) -> Mode:
        """Return the mode at an instant."""
        return Mode.OFF if self.off_until is not None and at < self.off_until else self.mode


@dataclass(frozen=True, slots=True)
class Binding:
    """The record that a ban also applies in another authority. An agreement needs acceptance first.

    `end` is the earlier of the agreed end and a withdrawal. `new_names_at_once`, by law only: pending names of the
    service are refused there too, not only monitored.
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
    new_names_at_once: bool = False

    @property
    def period(self) -> Period:
        """The time in which the binding has effect."""
        return Period(self.start, self.end, bound_since(self.ground, self.recorded, self.accepted))


NOT_BY_LAW = "only a law asks for new names at once: leave it out, or give the ground law"
"""The fault of a binding or link on another ground with `new_names_at_once`."""


def bound_since(ground: Ground, recorded: Instant, accepted: Instant | None) -> Instant | None:
    """Return since when a binding can have effect: a law when recorded, an agreement when also accepted."""
    if ground is Ground.LAW:
        return recorded
    return None if accepted is None else max(recorded, accepted)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours of a week in a time zone. `days` are 0 (Monday) to 6. Minutes count from local midnight.

    The end is exclusive. `end_minute` is greater than `start_minute` and at most 1440.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Exemption:
    """Exempts the named ranges of a site from one ban over `[start, end)`, or only in weekly hours within it.

    It has effect only when approved. It ends at the latest a year after its start, in `time_zone`; if that is empty, in
    the zone of the ban's authority. The zone does not count when exemptions are compared.
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
        """The time in which the exemption has effect, without regard to its hours."""
        return Period(self.start, self.end, self.approved)


@dataclass(frozen=True, slots=True)
class AllowedName:
    """A name, with all below it unless `exact`, that `authority` frees from its own bans over `[start, end)`.

    Bans that bind the authority still apply. A query that it frees counts as exempted of the ban.
    """

    number: int
    authority: str
    name: WireName
    exact: bool
    start: Instant
    end: Instant | None = None
    recorded: Instant | None = 0
    review_by: Instant | None = None
    reason: str = ""

    @property
    def period(self) -> Period:
        """The time in which the name is free."""
        return Period(self.start, self.end, self.recorded)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Nothing is refused for `authority` (None: all) over `[start, end)`. Refusals are counted as exempted instead."""

    authority: str | None
    start: Instant
    end: Instant
    reason: str = ""
    number: int = 0
    """Number of the recorded suspension, or 0 if there is no record."""

    @property
    def period(self) -> Period:
        """The time in which the suspension has effect."""
        return Period(self.start, self.end, self.start)


@dataclass(frozen=True, slots=True)
class Policy:
    """All of the above at one revision."""

    revision: int
    authorities: tuple[Authority, ...] = ()
    sites: tuple[Site, ...] = (Site(DEFAULT_SITE),)
    ranges: tuple[Range, ...] = ()
    services: tuple[Service, ...] = ()
    bans: tuple[Ban, ...] = ()
    bindings: tuple[Binding, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    allowed: tuple[AllowedName, ...] = ()
    fleet_names: tuple[FleetName, ...] = ()
    epoch: int = 0
    """The history that the revision belongs to. A later one may repeat revisions: see `api.publish.epoch`."""
