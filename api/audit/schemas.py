"""Schemas of audit entries and checkpoints."""

from typing import Any

from pydantic import Field

from api.http.schemas import Read, Timestamp


class AuditRead(Read):
    """One act: the account, the object, and the object's state before and after.

    `token` is the number of the token that made the act; null for local acts.
    """

    seq: int
    time: Timestamp
    account: int
    access: str
    token: int | None = None
    request: str
    act: str
    object: str
    authorities: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    revision: int
    previous: str
    hash: str


class CheckpointRead(Read):
    """A signed statement that the entry `seq` has `hash`. The signature does not cover `delivered`."""

    checkpoint: int = Field(examples=[12])
    installation: str
    seq: int = Field(examples=[345])
    hash: str
    time: Timestamp = Field(examples=["2026-11-25T10:00:00Z"])
    key: str = Field(description="the Ed25519 public key, in hexadecimal")
    signature: str
    delivered: list[str] = Field(examples=[["file", "mail"]], description="destinations that have received it")
