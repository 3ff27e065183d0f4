"""What a policy file would change, or has changed, as read."""

from typing import Any

from api.schemas import FaultRead, Read


class ActRead(Read):
    """One act that follows from a file."""

    act: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class DifferenceRead(Read):
    """What applying the file would do, and what stands against it."""

    acts: list[ActRead]
    faults: list[FaultRead]


class AppliedRead(Read):
    """What applying the file has done; nothing, if `acts` is empty."""

    acts: list[ActRead]
    revision: int
