"""What a notice is: of which kind, about what, to whom. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from api.db.base import Json
from dnsfilter.policy.model import Instant

DAY_S = 86_400
PAST_S = 7 * DAY_S
"""What happened longer ago is told to nobody any more."""


class Kind(StrEnum):
    """What a notice says. `bound_…` is for an authority in which another's ban applies."""

    BAN_ENDING = "ban_ending"
    BOUND_BAN_ENDING = "bound_ban_ending"
    BAN_REVIEW = "ban_review"
    BOUND_BAN_REVIEW = "bound_ban_review"
    PROVISIONAL_ENDING = "provisional_ending"
    BAN_LAPSED = "ban_lapsed"
    BOUND_BAN_LAPSED = "bound_ban_lapsed"
    BAN_OFF = "ban_off"
    BAN_MONITORED = "ban_monitored"
    BAN_BACK = "ban_back"
    REQUEST_WAITING = "request_waiting"
    SOURCE_RENEWED = "source_renewed"
    SOURCE_ENDED = "source_ended"
    SOURCE_GOES_ON = "source_goes_on"
    EXEMPTION_WAITING = "exemption_waiting"
    EXEMPTION_APPROVED = "exemption_approved"
    EXEMPTION_REJECTED = "exemption_rejected"
    EXEMPTION_REVOKED = "exemption_revoked"
    EXEMPTION_ENDING = "exemption_ending"
    SUSPENSION_STARTED = "suspension_started"
    SUSPENSION_ENDED = "suspension_ended"
    BINDING_PROPOSED = "binding_proposed"
    BINDING_BY_LAW = "binding_by_law"
    BINDING_ACCEPTED = "binding_accepted"
    BINDING_WITHDRAWN = "binding_withdrawn"
    BINDING_ENDED = "binding_ended"
    BOUND_BAN_GOES_ON = "bound_ban_goes_on"
    NODE_SUSPENDED = "node_suspended"
    NODE_SILENT = "node_silent"
    NODE_BEHIND = "node_behind"
    NODE_HELD = "node_held"
    NODE_BACK = "node_back"


@dataclass(frozen=True, slots=True)
class Due:
    """A notice to be made, once per `key`; not where one of `said` was made, which says the same of a later hour.

    `facts` are numbers of seconds, slugs, and words of decisions: see `letters.py` for what each stands for.
    """

    key: str
    kind: Kind
    authority: str | None
    facts: Json
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hour:
    """When it is looked. `since`: this installation has made notices from then on; `up_since`: this process has run."""

    now: Instant
    since: Instant
    up_since: Instant

    @property
    def oldest(self) -> Instant:
        """What happened at this instant, or earlier, is past."""
        return max(self.since, self.now - PAST_S)

    def fresh(self, at: Instant | None) -> bool:
        """Whether something happened at `at`, and is told."""
        return at is not None and self.oldest < at <= self.now


def threshold(end: Instant, known: Instant, now: Instant, lengths: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """The shortest of `lengths` before `end` that has begun, and those shorter still; `lengths` grow.

    None before the first; and where that began before `known`, when what ends was decided: whoever has just decided it
    knows.
    """
    for place, length in enumerate(lengths):
        if now >= end - length:
            return (length, tuple(lengths[:place])) if end - length >= known else None
    return None
