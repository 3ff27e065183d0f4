"""The API's answers about the past, as this client reads them: revisions, publications, traces."""

from typing import Annotated, Any

from pydantic import Field

from api.ctl.answers import Act, Answer, Explanation, Moment, Number, Page, Source
from api.ctl.decisions import Ban, Binding, Decision, Exemption, Term


class Publication(Answer):
    """A snapshot that was in force from `since` to `until`, by the digests of its files."""

    number: Number
    revision: Number
    since: Moment
    until: Moment | None
    names: str
    ranges: str
    rules: str
    version: str
    catalogue: str


class TracedAct(Answer):
    """An act that made what counted then."""

    seq: Number
    time: Moment
    account: Number
    act: str
    object: str
    revision: Number
    fields: list[str]


class Listed(Answer):
    """A list that named the domain."""

    service: str
    tier: int
    name: str
    exact: bool
    digest: str
    since: Publication
    sources: list[Source]


class Trace(Answer):
    """The chain behind a past decision."""

    meaning: str
    reproduced: bool | None
    at: Moment
    revision: Number
    since: Moment
    until: Moment | None
    publication: Publication
    decision: Explanation
    ban: Ban | None
    term: Term | None
    formal: Decision | None
    binding: Binding | None
    exemptions: list[Exemption]
    acts: list[TracedAct]
    lists: list[Listed]


class Revision(Answer):
    """A revision in a list."""

    number: Number
    time: Moment
    in_force: Moment | None
    account: Number
    access: str
    acts: Number
    first_seq: Number
    last_seq: Number
    act: str
    object: str


class Change(Answer):
    """An object that a revision changed."""

    kind: str
    key: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class RevisionWhole(Revision):
    """A revision with its publications and a page of what it changed."""

    kept_since: Number
    publications: list[Publication]
    changes: Page[Change]


class RolledBack(Answer):
    """What a rollback has done, or would do."""

    acts: Annotated[list[Act], Field(max_length=200_000)]
    revision: Number
    dry_run: bool
