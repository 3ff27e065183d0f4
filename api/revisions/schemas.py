"""Request and response schemas of revisions."""

from typing import Any

from pydantic import Field

from api.http.schemas import Page, Read, Reason, Strict, Timestamp
from api.nodes.schemas import State
from api.policies.schemas import ActRead
from api.trace.schemas import PublicationRead


class RevisionSummary(Read):
    """A revision in a list.

    `in_force` is when a snapshot of it first came into force; null if unknown. Its acts are the audit log entries
    `first_seq` to `last_seq`. `act` and `object` are those of the last entry, which describes a policy file or a
    rollback as a unit.
    """

    number: int
    time: Timestamp
    in_force: Timestamp | None
    account: int
    access: str
    acts: int
    first_seq: int
    last_seq: int
    act: str
    object: str


class ChangeRead(Read):
    """An object that a revision changed, before and after; null if it did not exist."""

    kind: str
    key: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class RevisionRead(RevisionSummary):
    """A revision with its newest publications, and a page of what it changed."""

    publications: list[PublicationRead]
    changes: Page[ChangeRead]


class NodeOfRevision(Read):
    """An enrolled node, and whether it applies a revision or a later one.

    `revision` is what it reported last, since `since` as far as this control plane knows. Both are null before its
    first report.
    """

    name: str
    site: str
    has: bool
    state: State
    revision: int | None
    since: Timestamp | None


class NodesOfRevision(Page[NodeOfRevision]):
    """A page of nodes. Over all pages: how many have the revision, how many lack it, and how many of these are silent.

    A silent node may still answer queries, by an older revision.
    """

    revision: int
    having: int
    lacking: int
    silent: int


class RollbackWrite(Strict):
    """The reason for the rollback."""

    reason: Reason = Field(examples=["ranges were registered to the wrong authority"])


class RollbackRead(Read):
    """What a rollback did, or would do. `acts` is empty if it did nothing."""

    acts: list[ActRead]
    revision: int
    dry_run: bool
