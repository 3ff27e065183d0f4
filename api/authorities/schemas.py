"""Request and response schemas of authorities."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints, field_validator

from api.http.formal_decisions import FormalDecisionRead
from api.http.patterns import LANGUAGE, SLUG_OR_NONE
from api.http.schemas import EndText, Line, Read, Reason, ShortLine, Slug, Strict, Timestamp
from dnsfilter.policy.calendar import zone
from dnsfilter.policy.faults import usage_fault
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Authority, Kind, Usage

LanguageTag = Annotated[str, StringConstraints(pattern=LANGUAGE, max_length=35)]
Name = Annotated[ShortLine, StringConstraints(min_length=1)]
Names = Annotated[dict[LanguageTag, Name], Field(min_length=1, max_length=20)]
DatabaseId = Annotated[str, StringConstraints(pattern=SLUG_OR_NONE)]
Languages = Annotated[list[LanguageTag], Field(min_length=1, max_length=20)]


def _checked_zone(value: str) -> str:
    zone(value)
    return value


def _checked_usage(value: object) -> object:
    fault = usage_fault(value) if isinstance(value, str) else None
    if fault is not None:
        raise ValueError(fault)
    return value


def _checked_languages(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError(f"a language is named twice in {', '.join(value)}: name each once")
    return value


SettableUsage = Annotated[Usage, BeforeValidator(_checked_usage)]


class AuthorityWrite(Strict):
    """All fields of an authority. `contact` is the address or number of a function, never of a person."""

    kind: Kind
    names: Names
    languages: Languages
    time_zone: str = DEFAULT_ZONE
    contact: ShortLine
    usage: SettableUsage = Usage.AUTHORITY
    group: ShortLine = ""
    public_register: bool = Field(
        default=False, description="Publish its bans in force in the register, which anybody may read."
    )
    filtering_database: DatabaseId = Field(
        default="",
        description="The identifier under which browsers know the register as a database. Empty for none.",
        examples=["ghent"],
    )

    _zone = field_validator("time_zone")(_checked_zone)
    _languages = field_validator("languages")(_checked_languages)

    def value(self, slug: str) -> Authority:
        """Return the authority as the policy has it."""
        return Authority(
            slug,
            self.kind,
            tuple(self.names.items()),
            tuple(self.languages),
            self.time_zone,
            self.contact,
            self.usage,
            self.group,
            public_register=self.public_register,
            filtering_database=self.filtering_database,
        )


class AuthorityPatch(Strict):
    """The fields of an authority that change."""

    kind: Kind | None = None
    names: Names | None = None
    languages: Languages | None = None
    time_zone: str | None = None
    contact: ShortLine | None = None
    usage: SettableUsage | None = None
    group: ShortLine | None = None
    public_register: bool | None = None
    filtering_database: DatabaseId | None = None


class UsageLevel(Strict):
    """The level at which an authority's queries are counted, and why it is set."""

    usage: SettableUsage
    reason: Reason


Basis = Annotated[Line, StringConstraints(min_length=3)]


class ClientLevelWrite(Strict):
    """Why refused queries are noted with a pseudonym of each client, and until when. All fields are required."""

    purpose: Reason
    decision: Basis = Field(description="reference of the formal decision", examples=["CBS/2026/1234"])
    legal_basis: Basis = Field(examples=["decree over local government, article 56"])
    consultation: Basis = Field(
        description="reference of what the data protection officer and the representatives of staff were asked",
        examples=["DPO/2026/17"],
    )
    until: EndText = Field(description="at most six months from now; a date is the last day")


class ClientLevelRead(Read):
    """Since when and until when refused queries are noted with a pseudonym of each client, and why."""

    since: Timestamp
    until: Timestamp
    purpose: str
    decision: str
    legal_basis: str
    consultation: str


class OffRules(Strict):
    """What is needed to switch a ban of the authority off, or to set it to monitor."""

    off_needs_reason: bool | None = Field(default=None, description="A reason is required.")
    off_needs_approver: bool | None = Field(
        default=None, description="An operator's change waits as a request until an approver decides."
    )


class AuthorityState(StrEnum):
    """State of an authority at an instant."""

    OPEN = "open"
    CLOSING = "closing"
    """The date of its closing is recorded."""
    CLOSED = "closed"


class ClosureRead(FormalDecisionRead):
    """The formal decision to close an authority."""


class AuthorityRead(Read):
    """An authority. `usage` is its level when `client_level` is null or has ended.

    `closes` is when it closes, if that is recorded; `successor` is the one it was merged into.
    """

    slug: Slug
    kind: Kind
    names: dict[str, str]
    languages: list[str]
    time_zone: str
    contact: str
    usage: Usage
    group: str
    public_register: bool
    filtering_database: str
    off_needs_reason: bool
    off_needs_approver: bool
    state: AuthorityState
    closes: Timestamp | None
    closed_reason: str
    closed_decision: ClosureRead | None
    successor: str | None
    client_level: ClientLevelRead | None = Field(description="set while its usage is at the level `client`")
    revision: int
