"""Bans, bindings and exemptions, as this client reads them."""

from collections.abc import Iterable

from pydantic import Field

from api.ctl.answers import Answer, Decided, Moment, Number


class Decision(Decided):
    """The formal decision behind a ban or a term."""

    follows: str | None


class Term(Answer):
    """One period of a ban."""

    start: Moment
    end: Moment | None
    review_by: Moment | None
    recorded: Moment
    decision: Decision
    ended: Moment | None
    ended_reason: str
    ended_decision: Decision | None


class Ending(Answer):
    """What a ban in force comes to within thirty days."""

    at: Moment
    what: str
    days: Number
    days_left: Number


class BanWarning(Answer):
    """An exemption on which people may rely, although the ban applies in its ranges."""

    code: str
    message: str
    exemption: Number
    ranges: list[str]


def warning_notes(warnings: Iterable[BanWarning] | None) -> tuple[str, ...]:
    """Return a line for each warning."""
    return tuple(f"warning: {one.message}" for one in warnings or ())


class Ban(Answer):
    """An authority's decision on one service."""

    number: Number
    authority: str
    service: str
    mode: str
    mode_reason: str
    mode_set: Moment | None
    mode_set_by: Number | None
    off_until: Moment | None
    returns_to: str | None
    reply: str
    addresses: list[str]
    tiers: list[int]
    funding: list[str]
    audience: list[str]
    decision: Decision
    terms: list[Term]
    provisional: bool
    state: str
    ending: Ending | None
    notes: list[str] = Field(default_factory=list)
    warnings: list[BanWarning] | None = None
    revision: Number


class Request(Answer):
    """A request to set a ban's mode that waits, or waited, for an approver."""

    number: Number
    ban: str
    mode: str
    until: Moment | None
    reason: str
    requested: Moment
    requested_by: Number
    approved: Moment | None
    rejected: Moment | None
    withdrawn: Moment | None
    decided_by: Number | None
    note: str
    state: str
    revision: Number


class Binding(Answer):
    """The record that a ban applies in another authority."""

    number: Number
    ban: str
    authority: str
    ground: str
    instrument: str
    date: str
    start: Moment
    end: Moment | None
    accepted: Moment | None
    ended: Moment | None
    ended_by: str
    ended_reason: str
    ended_reference: str
    state: str
    revision: Number


class Exemption(Answer):
    """A request to set a ban aside, and what became of it."""

    number: Number
    ban: str
    site: str
    ranges: list[str]
    start: Moment
    end: Moment
    hours: list[str]
    time_zone: str
    reason: str
    requested: Moment
    requested_by: Number
    approved: Moment | None
    rejected: Moment | None
    revoked: Moment | None
    decided_by: Number | None
    note: str
    state: str
    holds: bool | None = None
    next: Moment | None = None
    revision: Number
