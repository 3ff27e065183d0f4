"""Response schemas of traces."""

from api.bans.schemas import BanRead, FormalRead, TermRead
from api.bindings.schemas import BindingRead
from api.exemptions.schemas import ExemptionRead
from api.explain.schemas import DecisionRead
from api.http.schemas import Read, Timestamp
from api.services.schemas import SourceRead


class PublicationRead(Read):
    """A snapshot that was in force from `since` to `until` (null: until now), with the SHA-256 of its files.

    `catalogue` is the digest of the lists of all services; `version` is that of the control plane that compiled it.
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
    """An act that contributed to the decision. `fields` are those that no later act had set again by then."""

    seq: int
    time: Timestamp
    account: int
    act: str
    object: str
    revision: int
    fields: list[str]


class ListedRead(Read):
    """A list that named the domain: `name` in a tier of a service, in each publication from `since` on.

    `digest` is that of the complete list. `sources` come from the installed catalogue, if it has the same list.
    """

    service: str
    tier: int
    name: str
    exact: bool
    digest: str
    since: PublicationRead
    sources: list[SourceRead]


class TraceRead(Read):
    """The path from an answer to its grounds: publication, decision, ban, term, formal decision, acts, lists.

    `reproduced` says whether the stored policy yields the ranges and rules of the publication. If it is false, the rest
    is not what was in force. It is null if another version compiled them. `revision` was in force from `since` to
    `until`; `publication` is its snapshot in force at `at`. `formal` is the formal decision behind the term in force:
    its own, or else the ban's.
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
