"""Response schemas of requests."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from api.http.schemas import Read, Timestamp
from dnsfilter.policy.model import Audience, Funding, Mode

LIFT = "refusals.lift"
"""The audit entry of an act that lifts refusals in an authority with a rule for such acts."""


class RequestState(StrEnum):
    """State of a request. It lapses if all that it would lift has ended before somebody decides."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class RequestedActRead(Read):
    """An act that the request led to when it was sent."""

    act: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class LiftRead(Read):
    """Queries that are refused now and would be answered, or get another address.

    They are those of the range `prefix` at `site`, or of all ranges of that kind if both are empty. `addresses` are
    those that clients would get; empty if they would be answered. Only those for `name`, an allowed name, or that
    its answers lead to, and perhaps those of names below it; for all names of the tier if it is empty. Without a
    `service`, no own ban refuses anything yet, and the name is freed from later ones.
    """

    authority: str
    site: str
    prefix: str
    funding: Funding
    audience: Audience
    service: str
    tier: int
    start: Timestamp
    end: Timestamp | None
    addresses: list[str]
    name: str


class RequestRead(Read):
    """An act that waits for an approver of `authority`.

    `ban`, `mode` and `until` are given if it changes a ban, its mode, or when it is no longer off.
    """

    number: int
    authority: str
    operation: str
    object: str
    ban: str | None
    mode: Mode | None
    until: Timestamp | None
    acts: list[RequestedActRead] = Field(description="The first 20 acts.")
    act_count: int
    lifts: list[LiftRead] = Field(description="The first 20 that differ in clients, service, tier or time.")
    lift_count: int
    body: dict[str, Any] | None = Field(description="The body as it was sent; null for a table, or without a body.")
    reason: str
    requested: Timestamp
    requested_by: int
    lapses: Timestamp | None
    approved: Timestamp | None
    rejected: Timestamp | None
    withdrawn: Timestamp | None
    decided_by: int | None
    note: str
    state: RequestState
    revision: int
