"""Response schemas of onboarding."""

from enum import StrEnum

from api.authorities.schemas import AuthorityState
from api.http.schemas import Read, Slug, Timestamp


class Step(StrEnum):
    """A step of onboarding."""

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
    """One step: what exists and, if it is not done, what to do."""

    step: Step
    done: bool
    found: str
    todo: str


class OnboardingRead(Read):
    """All steps, in the recommended order. `complete` is true if nothing is missing.

    An authority that is closed, or closes at `closes`, is never complete. A closed one has no steps.
    """

    authority: Slug
    state: AuthorityState
    closes: Timestamp | None
    complete: bool
    steps: list[StepRead]
