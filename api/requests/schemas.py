"""Requests as read."""

from enum import StrEnum

from api.http.schemas import Read, Timestamp
from dnsfilter.policy.model import Mode


class RequestState(StrEnum):
    """Where a request stands.

    It lapses if nobody decides before the mode changes, the ban lapses, or the end that it asks for passes.
    """

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class RequestRead(Read):
    """A request to set a ban to `mode`, and what became of it. One to switch it off for a time has `until`."""

    number: int
    ban: str
    ban_number: int
    mode: Mode
    until: Timestamp | None
    reason: str
    requested: Timestamp
    requested_by: int
    approved: Timestamp | None
    rejected: Timestamp | None
    withdrawn: Timestamp | None
    decided_by: int | None
    note: str
    state: RequestState
    revision: int
