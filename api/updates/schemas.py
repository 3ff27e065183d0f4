"""Request and response schemas of updates."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.schemas import Read, Reason, ShortLine, Strict, Timestamp
from blocklists.update_review import Held

MAX_OBJECTIONS = 100
"""The most names in one objection."""
NOTE = 1000


class Source(StrEnum):
    """Where an update comes from. Only an edit says what a person meant, name by name."""

    EDIT = "edit"
    IMPORT = "import"
    FEED = "feed"
    CATALOGUE = "catalogue"


class Outcome(StrEnum):
    """What has become of an update: held back, taken, rejected, or replaced by a later one."""

    HELD_BACK = "held_back"
    TAKEN = "taken"
    REJECTED = "rejected"
    REPLACED = "replaced"


class UpdateState(StrEnum):
    """State of an update at an instant. While it is `pending`, its new names are only monitored."""

    HELD_BACK = "held_back"
    PENDING = "pending"
    IN_FORCE = "in_force"
    REJECTED = "rejected"
    REPLACED = "replaced"


class HeldReasonRead(Read):
    """Why an update is held back: what kind of reason, and in words."""

    reason: Held
    text: str


class UpdateRead(Read):
    """New names of a service. `authority` is null for a service of the catalogue.

    `pending` of the `added` names are only monitored until `enforced_from`.
    """

    number: int
    service: str
    authority: str | None
    source: Source
    state: UpdateState
    added: int
    removed: int
    pending: int
    reasons: list[HeldReasonRead]
    proposed: Timestamp
    proposed_by: int
    enforced_from: Timestamp | None
    decided: Timestamp | None
    decided_by: int | None
    note: str
    revision: int


class UpdatedNameRead(Read):
    """A name that an update adds or removes. `exact` matches only the name itself, else all names below it too."""

    name: str
    exact: bool
    tier: int
    change: str
    pending: bool
    queries: int | None


class ObjectionRead(Read):
    """A name that somebody left out of a service. `authority` is null for a service of the catalogue."""

    service: str
    authority: str | None
    name: str
    reason: str
    recorded: Timestamp
    recorded_by: int


class UpdateAccepting(Strict):
    """Accept an update. With `at_once`, the names of one that was held back are not monitored first."""

    at_once: bool = False
    note: Annotated[ShortLine, StringConstraints(max_length=NOTE)] = ""


class UpdateRejecting(Strict):
    """The reason for rejecting an update."""

    reason: Reason


class ObjectionWithdrawing(Strict):
    """The reason for withdrawing an objection."""

    reason: Reason


class Objecting(Strict):
    """Names to leave out of an update, and of all later ones that no person edits."""

    names: list[Annotated[str, StringConstraints(min_length=1, max_length=253)]] = Field(
        min_length=1, max_length=MAX_OBJECTIONS
    )
    reason: Reason
