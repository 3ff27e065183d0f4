"""The kinds of notices, and a notice that is due. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from api.db.base import Json
from dnsfilter.policy.model import DAY_S, Instant

PAST_S = 7 * DAY_S
"""Events older than this, in seconds, produce no notice."""


class Kind(StrEnum):
    """The kind of a notice. `bound_…` is for an authority that is bound by the ban of another authority."""

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
    REFUSALS_LIFTED = "refusals_lifted"
    SOURCE_RENEWED = "source_renewed"
    SOURCE_ENDED = "source_ended"
    SOURCE_GOES_ON = "source_goes_on"
    UPDATE_HELD_BACK = "update_held_back"
    PENDING_NAMES_ASKED = "pending_names_asked"
    NAMES_REMOVED = "names_removed"
    EXEMPTION_WAITING = "exemption_waiting"
    EXEMPTION_APPROVED = "exemption_approved"
    EXEMPTION_REJECTED = "exemption_rejected"
    EXEMPTION_REVOKED = "exemption_revoked"
    EXEMPTION_ENDING = "exemption_ending"
    NAME_ENDING = "name_ending"
    NAME_REVIEW = "name_review"
    ALLOWED_NAME_ENDING = "allowed_name_ending"
    ALLOWED_NAME_REVIEW = "allowed_name_review"
    SUSPENSION_STARTED = "suspension_started"
    SUSPENSION_ENDED = "suspension_ended"
    CAPTURE_STARTED = "capture_started"
    BINDING_PROPOSED = "binding_proposed"
    BINDING_BY_LAW = "binding_by_law"
    BINDING_ACCEPTED = "binding_accepted"
    BINDING_WITHDRAWN = "binding_withdrawn"
    BINDING_ENDED = "binding_ended"
    BOUND_BAN_GOES_ON = "bound_ban_goes_on"
    FEED_FAILING = "feed_failing"
    PEER_BROKEN = "peer_broken"
    LIST_ADDITION = "list_addition"
    LIST_PROPOSAL = "list_proposal"
    NODE_SUSPENDED = "node_suspended"
    NODE_SILENT = "node_silent"
    NODE_BEHIND = "node_behind"
    NODE_HELD = "node_held"
    NODE_BACK = "node_back"


@dataclass(frozen=True, slots=True)
class Due:
    """A notice to make, once per `key`.

    Skip it if a notice with one of `later_keys` exists: that one says the same at a later threshold. `facts` are times
    in seconds, slugs, and references of decisions: see `letters.py`.
    """

    key: str
    kind: Kind
    authority: str | None
    facts: Json
    later_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hour:
    """The time of a look for due notices.

    `since` is when this installation started to make notices, `up_since` is when this process started.
    """

    now: Instant
    since: Instant
    up_since: Instant

    @property
    def oldest(self) -> Instant:
        """The latest instant whose events are too old for a notice."""
        return max(self.since, self.now - PAST_S)

    def fresh(self, at: Instant | None) -> bool:
        """Return whether an event at `at` is recent enough for a notice."""
        return at is not None and self.oldest < at <= self.now


def threshold(end: Instant, known: Instant, now: Instant, lengths: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """Return the shortest of `lengths` before `end` that has begun, and the shorter ones. `lengths` is ascending.

    Return None if none has begun. Also return None if it began before `known`, the time of the decision: the authority
    that has just decided needs no notice.
    """
    for index, length in enumerate(lengths):
        if now >= end - length:
            return (length, tuple(lengths[:index])) if end - length >= known else None
    return None
