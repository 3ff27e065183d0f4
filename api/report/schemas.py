"""Response schemas of reports and studies. Nothing in them depends on the time of reading."""

from enum import StrEnum

from pydantic import Field

from api.bans.schemas import FormalRead, TermRead
from api.http.schemas import Day, OptionalDay, Read, ServiceSlug, Slug, Timestamp
from api.lists.schemas import DecidedVersionRead
from dnsfilter.policy.model import Audience, Funding, Ground, Mode, Reply, Usage


class ReportKind(StrEnum):
    """What a report is about: one ban, the bans of a prohibited list, or services that an authority only monitors."""

    BAN = "ban"
    LIST = "list"
    STUDY = "study"


class Interval(StrEnum):
    """The interval at which queries are counted in a report."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class FileFormat(StrEnum):
    """The form of a report."""

    JSON = "json"
    HTML = "html"
    MARKDOWN = "md"


class Language(StrEnum):
    """A language of reports."""

    DUTCH = "nl"
    FRENCH = "fr"
    GERMAN = "de"
    ENGLISH = "en"


class Cause(StrEnum):
    """Why a ban has no effect, or none for some clients, although one of its terms is in force."""

    OFF = "off"
    SUSPENDED = "suspended"
    LOCAL = "local"
    SCOPE = "scope"


class FigureRead(Read):
    """A number of queries. A number from 1 to 4 is hidden: `queries` is null, and `below` is 5.

    The total of numbers of which some are hidden has `at_least` and `at_most` instead: otherwise these could be
    calculated. `at_most` is null if no day of the report is over.
    """

    queries: int | None
    below: int | None = None
    at_least: int | None = None
    at_most: int | None = None


class CountsRead(Read):
    """Queries by result: refused, answered and counted, or answered because of an exemption."""

    refused: FigureRead
    monitored: FigureRead
    exempted: FigureRead


class CountedDaysRead(CountsRead):
    """The counts of the days from `first` through `last`."""

    first: Day
    last: Day


class BucketRead(CountedDaysRead):
    """The counts of some days of a report. `banned` is false if no term of the ban was in force in them."""

    banned: bool


class BypassIntervalRead(Read):
    """Attempts to bypass the resolver on the days from `first` through `last`, by kind."""

    first: Day
    last: Day
    attempts: dict[str, FigureRead]


class ModeSpanRead(Read):
    """A mode of a ban over `[start, end)`, within the report's time. The entry `act` of the audit log set it.

    `act` and `account` are null if the mode returned by itself. `reason` may be empty.
    """

    start: Timestamp
    end: Timestamp
    mode: Mode
    reason: str
    act: int | None
    account: int | None


class SpanRead(Read):
    """A time `[start, end)` within the report's time."""

    start: Timestamp
    end: Timestamp


class BanGapRead(SpanRead):
    """A time in which a ban had no effect although one of its terms was in force.

    It had none for anybody, or for some clients only: those that asked `nodes` on which bans were suspended, or those
    that an act left out of the scope: `tiers`, `funding`, `audience`.
    """

    cause: Cause
    nodes: list[str]
    tiers: list[int]
    funding: list[Funding]
    audience: list[Audience]


class ScopeFieldRead(Read):
    """A field of a ban's scope or reply, or of a range, before and after an act. It has no values if there was none."""

    name: str = Field(description="`authority`, `tiers`, `funding`, `audience`, `reply` or `addresses`")
    before: list[str]
    after: list[str]


class ScopeChangeRead(Read):
    """A change of a ban's scope or reply by the entry `act` of the audit log."""

    time: Timestamp
    act: int
    account: int
    reason: str
    fields: list[ScopeFieldRead]


class RangeActRead(Read):
    """An act on a range of the authority, the entry `seq` of the audit log, made while a ban of the report had a term.

    `fields` are those that decide whether a ban covers the range, with what the act changed.
    """

    seq: int
    time: Timestamp
    account: int
    act: str
    site: str
    prefix: str
    fields: list[ScopeFieldRead]


class SuspensionSpanRead(SpanRead):
    """A suspension of `authority` (null: of all), within the report's time. `number` is that of the suspension."""

    number: int
    authority: Slug | None
    reason: str
    account: int


class ExemptionReportRead(Read):
    """An exemption that was requested, decided or in force in the report's time.

    `end` is when it ends, or ended because it was revoked. `planned_end` is as approved.
    """

    number: int
    site: str
    ranges: list[str]
    start: Timestamp
    end: Timestamp
    planned_end: Timestamp
    hours: list[str]
    time_zone: str
    reason: str
    requested: Timestamp
    requested_by: int
    approved: Timestamp | None
    rejected: Timestamp | None
    revoked: Timestamp | None
    decided_by: int | None
    note: str


class BoundRead(Read):
    """Another authority in which the ban applied in the report's time, by which binding, and what it did there.

    `suspended` are times in which nothing was refused there.
    """

    number: int
    authority: Slug
    ground: Ground
    instrument: str
    date: OptionalDay
    start: Timestamp
    end: Timestamp | None
    recorded: Timestamp
    accepted: Timestamp | None
    ended: Timestamp | None
    ended_reason: str
    ended_reference: str
    usage: Usage
    counts: CountsRead
    suspended: list[SuspensionSpanRead]


class TierCountRead(Read):
    """The number of names in a tier of a list."""

    tier: int
    names: int


class ListVersionRead(Read):
    """The list of the service from `since` until `until` (null: until now). `digest` is its SHA-256.

    `added` and `removed` count names in comparison with the list before; null for the first list.
    """

    digest: str
    since: Timestamp
    until: Timestamp | None
    tiers: list[TierCountRead]
    added: int | None
    removed: int | None


class ReportActRead(Read):
    """An act in the report's time. `name` is null if it was erased, or if the caller may not read it.

    `hash` is that of the entry `seq` of the audit log. `fields` are those that the act changed.
    """

    seq: int
    hash: str
    time: Timestamp
    account: int
    name: str | None
    act: str
    object: str
    revision: int
    reason: str
    fields: list[str]


class BanReportRead(Read):
    """A ban and what it did in the report's time. `in_force` is when a term was in force, by the acts.

    `no_ban` is the rest of the time. `not_in_force` are the times in which a term was in force but the ban was off or
    suspended, `partly_in_force` those in which this holds for some clients only. `only_monitored` are those in which it
    was in mode monitor: queries were counted and answered. `addressed` are those in which it replied with addresses.
    """

    number: int
    service: ServiceSlug
    service_name: str
    reply: Reply
    addresses: list[str]
    tiers: list[int]
    funding: list[Funding]
    audience: list[Audience]
    provisional: bool
    prohibited_list: str | None
    list_version: int | None
    decision: FormalRead
    terms: list[TermRead]
    modes: list[ModeSpanRead]
    in_force: list[SpanRead]
    no_ban: list[SpanRead]
    not_in_force: list[BanGapRead]
    partly_in_force: list[BanGapRead]
    only_monitored: list[SpanRead]
    addressed: list[SpanRead]
    scope_changes: list[ScopeChangeRead]
    total: CountsRead
    buckets: list[BucketRead]
    bound: list[BoundRead]
    exemptions: list[ExemptionReportRead]
    lists: list[ListVersionRead]
    acts: list[ReportActRead]


class ListedTimeRead(Read):
    """A time in which a service was on a prohibited list: from its `version` on, which was recorded at `since`.

    A later version took it off at `until`; null if it is still on it.
    """

    version: int
    since: Timestamp
    until: Timestamp | None


class NamedServiceRead(Read):
    """A service with its name."""

    service: ServiceSlug
    service_name: str


class ListedReportRead(NamedServiceRead):
    """A service that was on the prohibited list of the report, and when.

    `ban` is the number of the authority's ban on it; null if it has none. `from_list` is false if the authority banned
    the service without the list.
    """

    ban: int | None
    from_list: bool
    times: list[ListedTimeRead]


class ReportedListRead(Read):
    """A prohibited list that the report is about, or that one of its bans is from, with the versions of the list."""

    reference: str
    authority: Slug
    title: str
    category: str | None
    versions: list[DecidedVersionRead]


class RecordRead(Read):
    """The state of the database that a report was made from: its revision and the last entry of the audit log."""

    installation: str
    revision: int
    seq: int
    hash: str
    time: Timestamp | None = Field(description="time of that entry; null if there is none")


class NamedAuthorityRead(Read):
    """The names of an authority by language."""

    slug: Slug
    names: dict[str, str]
    languages: list[str]


class NamedAccountRead(Read):
    """An account that the report mentions, with its name."""

    number: int
    name: str


class ReportRead(Read):
    """The report of one ban or of a prohibited list, or the study of services that an authority only monitors.

    It covers the days from `first` through `last` in `time_zone`, which are the instants `[start, end)`. Times are
    counted up to `until`: `end`, or the instant of reading if that is earlier. Queries are counted through the last day
    that was over then (`counted_through`). `usage` is the level at which the authority's queries are counted.
    `bypass_total` has the kinds that were counted.

    `total` is the total of all bans of the report: a query that several of them counted counts once, so that the total
    may have bounds. `prohibited_list` and `category` are those that the report or study was asked for. `listed` and
    `list_acts` are those of the list of a report. `left_out` are services of the list or category of a study that were
    not only monitored.
    """

    kind: ReportKind
    authority: Slug
    time_zone: str
    first: Day
    last: Day
    start: Timestamp
    end: Timestamp
    until: Timestamp
    counted_through: Day | None = Field(description="null if no day of the report was over")
    interval: Interval
    record: RecordRead
    authorities: list[NamedAuthorityRead]
    accounts: list[NamedAccountRead] = Field(description="as far as the caller may read their names")
    usage: Usage
    prohibited_list: str | None
    category: str | None
    prohibited_lists: list[ReportedListRead]
    listed: list[ListedReportRead]
    left_out: list[NamedServiceRead]
    list_acts: list[ReportActRead]
    total: CountsRead
    bans: list[BanReportRead]
    suspensions: list[SuspensionSpanRead]
    range_acts: list[RangeActRead]
    bypass: list[BypassIntervalRead]
    bypass_total: dict[str, FigureRead]
