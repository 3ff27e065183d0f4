"""What an authority has of what it needs, as read."""

from enum import StrEnum

from api.authorities.schemas import AuthorityState
from api.http.schemas import Read, Slug, Timestamp


class Step(StrEnum):
    """What a public body needs."""

    NAMES = "names"
    CONTACT = "contact"
    TIME_ZONE = "time_zone"
    SPACE = "space"
    RANGES = "ranges"
    BAN = "ban"
    OPERATOR = "operator"
    APPROVER = "approver"
    NODE = "node"


class StepRead(Read):
    """One step: what there is, and where it is not done, what is to be done."""

    step: Step
    done: bool
    found: str
    todo: str


class OnboardingRead(Read):
    """Every step, in the order in which they are best taken; `complete` where nothing is missing.

    An authority that is closed, or will be at `closes`, is never complete; one that is closed has no steps left.
    """

    authority: Slug
    state: AuthorityState
    closes: Timestamp | None
    complete: bool
    steps: list[StepRead]
