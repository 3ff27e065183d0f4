"""What led to a past decision, as read."""

from api.bans.schemas import BanRead, FormalRead, TermRead
from api.bindings.schemas import BindingRead
from api.exemptions.schemas import ExemptionRead
from api.explain.schemas import DecisionRead
from api.http.schemas import Read, Timestamp
from api.services.schemas import SourceRead


class PublicationRead(Read):
    """A snapshot that was in force from `since` to `until` (null: it still is), by the SHA-256 of its files.

    `catalogue` digests the lists of all services; `version` is that of the control plane which compiled it.
    """

    number: int
    revision: int
    since: Timestamp
    until: Timestamp | None
    names: str
    ranges: str
    rules: str
    version: str
    catalogue: str


class TracedActRead(Read):
    """An act that made what counted then: `fields` are those that no later act, up to then, has set again."""

    seq: int
    time: Timestamp
    account: int
    act: str
    object: str
    revision: int
    fields: list[str]


class ListedRead(Read):
    """A list that named the domain: `name` in a tier of a service, in each publication from `since` on.

    `digest` is that of the whole list. `sources` are those of the catalogue installed now, where it has the same list.
    """

    service: str
    tier: int
    name: str
    exact: bool
    digest: str
    since: PublicationRead
    sources: list[SourceRead]


class TraceRead(Read):
    """The chain from an answer back to its grounds: publication, decision, ban, term, formal decision, acts, lists.

    `reproduced`: whether the policy that is kept makes the publication's ranges and rules; if it does not, what follows
    is not what was in force; null: not compared, since another version had compiled them.
    `revision` was in force from `since` to `until`; `publication` is the snapshot of it that was in force at `at`.
    `formal` is the decision behind the term that held: its own, or else the ban's.
    """

    meaning: str
    reproduced: bool | None
    at: Timestamp
    revision: int
    since: Timestamp
    until: Timestamp | None
    publication: PublicationRead
    decision: DecisionRead
    ban: BanRead | None
    term: TermRead | None
    formal: FormalRead | None
    binding: BindingRead | None
    exemptions: list[ExemptionRead]
    acts: list[TracedActRead]
    lists: list[ListedRead]
