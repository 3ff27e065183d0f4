"""Audit entries as read."""

from typing import Any

from pydantic import Field

from api.http.schemas import Read, Timestamp


class AuditRead(Read):
    """One act: who did what to which object, and what it was before and after.

    `token` is the number of the token that the act was made with; null for local acts and those older than the field.
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
    """A signed statement that the entry `seq` has `hash`; `delivered` is no part of what is signed."""

    checkpoint: int = Field(examples=[12])
    installation: str
    seq: int = Field(examples=[345])
    hash: str
    time: Timestamp = Field(examples=["2026-11-25T10:00:00Z"])
    key: str = Field(description="the public key, Ed25519, in hexadecimal")
    signature: str
    delivered: list[str] = Field(examples=[["file", "mail"]], description="places outside the machine that have it")
