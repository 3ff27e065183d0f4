"""Request and response schemas of policy files."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.bans.schemas import BanWarningRead
from api.http.schemas import FaultRead, Read, Strict

MAX_TEXT = 1024 * 1024
"""Most characters of a policy file in JSON. Send a larger file as TOML."""


class PolicyWrite(Strict):
    """A policy file in JSON."""

    policy: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = Field(
        description="Text of the file, TOML.", examples=['[[site]]\nslug = "hall"\n']
    )


class PolicyRead(Read):
    """The policy at a revision, as a file in JSON."""

    revision: int
    policy: str = Field(description="Text of the file, TOML.")


class ActRead(Read):
    """One act that results from a file."""

    act: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class DifferenceRead(Read):
    """What applying the file would do, the faults that prevent it, and its warnings."""

    acts: list[ActRead]
    faults: list[FaultRead]
    warnings: list[BanWarningRead]


class AppliedRead(Read):
    """What applying the file did. `acts` is empty if it did nothing; `warnings` concern the bans that it changed."""

    acts: list[ActRead]
    warnings: list[BanWarningRead]
    revision: int
