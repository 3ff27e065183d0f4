"""Response schemas of decisions."""

from pydantic import Field

from api.http.schemas import Read, Timestamp
from dnsfilter.policy.reasons import DecisionCause


class WinnerRead(Read):
    """The ban that decides, and the matching name in its list.

    `reference` is that of the formal decision behind the term in force, which ends at `end` (null: no end) or has a
    review. `prohibited_list` and `list_version` say which list the ban comes from, if any.
    """

    ban: str
    ban_number: int
    authority: str
    service: str
    prohibited_list: str | None
    list_version: int | None
    mode: str
    reply: str
    bound: bool
    suffix: str
    reference: str
    end: Timestamp | None
    review_by: Timestamp | None


class AheadRead(Read):
    """An approved exemption that next removes the ban from this range at `next`, for example in weekly `hours`."""

    number: int
    hours: list[str]
    next: Timestamp


class ConsideredRead(Read):
    """One ban that was considered, and why it applies to the query or not. `ahead` is set for a ban in force.

    `allowed` is the number of an allowed name that covers the query. `pending_until` is when the ban refuses a pending
    name, which it only monitors until then.
    """

    ban: str
    ban_number: int
    authority: str
    service: str
    mode: str
    bound: bool
    standing: str
    suffix: str | None
    binding: int | None
    exemption: int | None
    allowed: int | None
    pending_until: Timestamp | None
    ahead: AheadRead | None


class ClientRangeRead(Read):
    """The range of a client."""

    site: str
    prefix: str
    label: str
    funding: str
    audience: str


class SuspendedRead(Read):
    """A suspension: nothing is refused for the client's authority (`authority`) or for all (null) until `until`.

    A suspension of all also serves unregistered clients.
    """

    number: int
    authority: str | None
    until: Timestamp
    reason: str


class MentionedAuthorityRead(Read):
    """An authority that a decision mentions, as people need it: its names, its contact and its time zone."""

    names: dict[str, str]
    contact: str
    time_zone: str


class DecisionRead(Read):
    """The decision of the current policy for a client, a name and a time.

    `rcode`, `ede` and `text` are those of a node's answer to a refused query of type A with OPT. A client in no range
    is refused, unless its node is configured otherwise or all are suspended.
    """

    verdict: str
    rcode: str
    ede: int | None
    text: str | None
    reason: str
    cause: DecisionCause = Field(description="What the decision rests on: the ban that decides, or why none does.")
    cause_ban: int | None = Field(description="Number of the ban that `cause` is about; null for none.")
    winner: WinnerRead | None
    rows: list[ConsideredRead]
    services: list[str]
    service_names: dict[str, str] = Field(description="Names of the services of the domain name, by slug.")
    authorities: dict[str, MentionedAuthorityRead] = Field(
        description="Authorities of the client and of the bans considered, by slug."
    )
    range: ClientRangeRead | None
    authority: str | None
    suspension: SuspendedRead | None
    fleet_has_name: bool | None = Field(
        description="Whether devices of the fleet can ask by one of its names at that time; if not, they get no answer."
        " Null unless a fleet was asked for.",
    )
    client: str
    site: str
    name: str
    at: Timestamp
    revision: int


class ConcernRead(Read):
    """A ban that concerns the range's authority, and its standing for this range now.

    `ahead` is set for a ban in force. `reference` is that of the formal decision behind the term in force; null if none
    is.
    """

    ban: str
    ban_number: int
    authority: str
    service: str
    mode: str
    bound: bool
    standing: str
    reference: str | None
    ahead: AheadRead | None


class NestedRead(Read):
    """A range that contains an address."""

    prefix: str
    authority: str
    label: str
    funding: str
    audience: str


class AllottedRead(Read):
    """Space that contains an address, and the authority that it is allotted to."""

    prefix: str
    authority: str


class WhoRead(Read):
    """The authority of an address, and the bans there.

    `nesting` lists the ranges that contain it, narrowest first, as far as the caller may see them. `space` is the
    narrowest allotted space there.
    """

    address: str
    site: str
    range: ClientRangeRead | None
    nesting: list[NestedRead]
    space: AllottedRead | None
    authority: str | None
    names: dict[str, str]
    contact: str | None
    suspension: SuspendedRead | None
    bans: list[ConcernRead]
    at: Timestamp
    revision: int
