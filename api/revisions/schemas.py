"""Revisions as read, and a rollback as asked for."""

from typing import Any

from pydantic import Field

from api.http.schemas import Page, Read, Reason, Strict, Timestamp
from api.policies.schemas import ActRead
from api.trace.schemas import PublicationRead


class RevisionSummary(Read):
    """A revision in a list.

    `in_force` is when a snapshot of it first was; null: none is known. Its acts are those of the audit from number
    `first_seq` to `last_seq`; `act` and `object` are the last one's, which of a file or a rollback is the whole.
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
    """An object that a revision changed, as it was before and after; null: it was not there."""

    kind: str
    key: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class RevisionRead(RevisionSummary):
    """A revision with its newest publications, and a page of what it changed.

    Revisions before `kept_since` have no changes to show: their acts in the audit say what they were.
    """

    kept_since: int
    publications: list[PublicationRead]
    changes: Page[ChangeRead]


class RollbackWrite(Strict):
    """Why the policy goes back."""

    reason: Reason = Field(examples=["ranges were registered to the wrong authority"])


class RollbackRead(Read):
    """What a rollback has done, or would do; nothing, if `acts` is empty."""

    acts: list[ActRead]
    revision: int
    dry_run: bool
