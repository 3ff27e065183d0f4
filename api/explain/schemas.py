"""What a policy says of a client, as read."""

from api.http.schemas import Read, Timestamp


class WinnerRead(Read):
    """The ban that decides, and the name of it that matched.

    `reference` is that of the decision behind the term that holds.
    """

    ban: str
    ban_number: int
    authority: str
    service: str
    mode: str
    reply: str
    bound: bool
    suffix: str
    reference: str


class AheadRead(Read):
    """An approved exemption that sets the ban aside in this range next at `next`, for instance in weekly `hours`."""

    number: int
    hours: list[str]
    next: Timestamp


class ConsideredRead(Read):
    """One ban considered, and why it bears on the query or does not; `ahead` is of one in force."""

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
    ahead: AheadRead | None


class PlaceRead(Read):
    """The range that a client is in."""

    site: str
    prefix: str
    label: str
    funding: str
    audience: str


class SuspendedRead(Read):
    """That nothing is refused for the client's authority (`authority`) or for all (null), until an instant.

    A suspension of all also serves unregistered clients.
    """

    number: int
    authority: str | None
    until: Timestamp
    reason: str


class DecisionRead(Read):
    """What the current policy says for a client, a name and an instant.

    `rcode`, `ede` and `text` are what a node answers to a refused query of type A with OPT. A client in no range is
    refused unless its node says otherwise, or all are suspended.
    """

    verdict: str
    rcode: str
    ede: int | None
    text: str | None
    reason: str
    winner: WinnerRead | None
    rows: list[ConsideredRead]
    services: list[str]
    range: PlaceRead | None
    authority: str | None
    suspension: SuspendedRead | None
    client: str
    site: str
    name: str
    at: Timestamp
    revision: int


class ConcernRead(Read):
    """A ban that concerns the range's authority, and where it stands for this range now; `ahead` is of one in force.

    `reference` is that of the decision behind the term that holds; null where none does.
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
    """A range that holds an address."""

    prefix: str
    authority: str
    label: str
    funding: str
    audience: str


class AllottedRead(Read):
    """Space that holds an address, and the authority that it is allotted to."""

    prefix: str
    authority: str


class WhoRead(Read):
    """Whose an address is, and what is banned there.

    `nesting` are the ranges that hold it, the narrowest first: of those around `range` what the caller may see. `space`
    is the narrowest allotted space there.
    """

    address: str
    site: str
    range: PlaceRead | None
    nesting: list[NestedRead]
    space: AllottedRead | None
    authority: str | None
    names: dict[str, str]
    contact: str | None
    suspension: SuspendedRead | None
    bans: list[ConcernRead]
    at: Timestamp
    revision: int
