"""Response schemas of requests."""

from enum import StrEnum

from api.http.schemas import Read, Timestamp
from dnsfilter.policy.model import Mode


class RequestState(StrEnum):
    """State of a request.

    It lapses if the mode changes, the ban lapses, or the requested end passes before somebody decides.
    """

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class RequestRead(Read):
    """A request to set a ban to `mode`. `until` is given if it asks to switch the ban off for a time."""

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
