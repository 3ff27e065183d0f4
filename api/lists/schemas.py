"""Request and response schemas of prohibited lists."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints

from api.bans.schemas import Addresses, Audiences, Fundings, State, TermWrite, Tiers
from api.http.formal_decisions import FormalDecisionRead, FormalDecisionWrite
from api.http.patterns import BAN_REFERENCE
from api.http.schemas import (
    EndText,
    Line,
    OptionalDay,
    OptionalDayText,
    Read,
    Reason,
    ServiceSlug,
    ShortLine,
    Slug,
    SpanText,
    Strict,
    Timestamp,
    TimestampText,
)
from dnsfilter.policy.bounds import MAX_LIST_TERMS, MAX_LISTED
from dnsfilter.policy.model import Mode, Reply
from dnsfilter.policy.prohibited_lists import LinkGround

Services = Annotated[list[ServiceSlug], Field(max_length=MAX_LISTED)]
CategoryWord = Annotated[str, StringConstraints(max_length=32)]


class ListWrite(Strict):
    """A list before its first decision: its title, and its services or the category to take them from.

    An existing list keeps omitted fields. Once adopted, only its title and `declined` can change so.
    """

    title: ShortLine | None = None
    services: Services | None = None
    category: CategoryWord | None = None
    declined: Services | None = None


class ListAdoption(Strict):
    """The formal decision behind the list, and what each of its bans gets: terms, mode, reply and scope.

    `tiers` that a service lacks are left out for that service.
    """

    mode: Mode | None = None
    mode_reason: Reason | None = None
    reply: Reply | None = None
    addresses: Addresses | None = None
    tiers: Tiers | None = None
    funding: Fundings | None = None
    audience: Audiences | None = None
    decision: FormalDecisionWrite | None = None
    terms: Annotated[list[TermWrite], Field(max_length=MAX_LIST_TERMS)] | None = None


class ListChange(ListAdoption):
    """A further formal decision: services that it adds, with terms, or takes off, for a reason."""

    add: Services = Field(default_factory=list)
    remove: Services = Field(default_factory=list)
    reason: Reason | None = None


class ListToggle(Strict):
    """A mode for all bans of the list. With `until` or `for` they are off until then."""

    mode: Mode
    mode_reason: Reason | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")


class ListRenewal(Strict):
    """A further term for the bans of the list, with the formal decision behind it, which needs a reference."""

    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    review_by: TimestampText | None = None
    decision: FormalDecisionWrite


class ListEnding(Strict):
    """An early end of all bans of the list at `at`; now if omitted."""

    at: TimestampText | None = None
    reason: Reason
    decision: FormalDecisionWrite | None = None


class ListState(StrEnum):
    """State of a list: prepared, or adopted by a formal decision."""

    DRAFT = "draft"
    ADOPTED = "adopted"


class ListTermRead(Read):
    """A term that a version gave to the bans that it adopted."""

    start: Timestamp
    end: Timestamp | None
    review_by: Timestamp | None


class DecidedVersionRead(Read):
    """What one formal decision added to the list and took off it."""

    version: int
    recorded: Timestamp
    decision: FormalDecisionRead
    adds: list[str]
    removes: list[str]
    terms: list[ListTermRead]


class ListedServiceRead(Read):
    """A service on the list, and the authority's ban on it.

    `version` added it; null before the list is adopted. `from_list` is false if the ban was there before: acts on the
    list do not change it then.
    """

    service: str
    version: int | None
    from_list: bool
    mode: Mode | None
    state: State | None
    until: Timestamp | None


class ListSummary(Read):
    """A prohibited list without its services. It continues the lists `formerly` of merged authorities."""

    number: int
    authority: Slug
    slug: Slug
    title: str
    category: str | None
    state: ListState
    service_count: int
    version_count: int
    formerly: list[str]
    revision: int


class ListRead(ListSummary):
    """A prohibited list with its services, in the order of the decisions, and its versions.

    `proposed` are services of its category that are not on it and not `declined`. `kept` are services that the
    authority banned already when this act adopted the others: their bans stay as they are.
    """

    services: list[ListedServiceRead]
    versions: list[DecidedVersionRead]
    proposed: list[str]
    declined: list[str]
    kept: list[str]


Slugs: TypeAlias = list[str]


class LinkState(StrEnum):
    """State of a link at an instant."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDED = "ended"


ListReference = Annotated[
    str,
    StringConstraints(pattern=BAN_REFERENCE),
    Field(description="authority/list", examples=["federal/prohibited-apps"]),
]


class LinkWrite(Strict):
    """A link of a list to `authority`. A law or an agreement needs its `instrument` and `date`; following has none.

    A law may ask for `new_names_at_once`.
    """

    list: ListReference
    authority: Slug
    ground: LinkGround
    instrument: Line = ""
    date: OptionalDayText = ""
    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    new_names_at_once: bool = False


class LinkEnding(Strict):
    """An end of the link and of its bindings at `at`; now if omitted."""

    at: TimestampText | None = None
    reason: Reason
    reference: Line = ""


class LinkRead(Read):
    """A link of a list to another authority.

    `waiting` are services that the authority has not accepted or adopted yet. `bound` are those whose bans apply there
    by this link now or later. With `new_names_at_once`, new names of an update are refused there at once, not only
    monitored for 72 hours.
    """

    number: int
    list: str
    authority: Slug
    ground: LinkGround
    instrument: str
    date: OptionalDay
    start: Timestamp
    end: Timestamp | None
    recorded: Timestamp
    ended: Timestamp | None
    ended_by: str
    ended_reason: str
    ended_reference: str
    new_names_at_once: bool
    state: LinkState
    bound: Slugs
    waiting: Slugs
    revision: int
