"""Limits for operators: four hours of suspension in 24, and none of a ban by law. More needs an approver."""

from bisect import bisect_right

from api.auth.caller import Caller
from api.auth.roles import APPROVERS
from api.db.models import AuthorityRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden
from api.suspensions import repository
from api.suspensions.bound_bans import bound_bans
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.instants import local_time
from dnsfilter.policy.intervals import Intervals, union
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.translatable import Text

OPERATORS_S = MAX_SUSPENSION_S
"""Seconds for which an authority may be suspended in a day without an approver."""


def demand_start(unit: UnitOfWork, caller: Caller, authority: str, end: Instant) -> None:
    """Raise `Forbidden` if the caller, who may suspend the authority, may not do so from now until `end`."""
    if caller.has(APPROVERS, authority):
        return
    remedy = Text("ask an approver of {authority} or an administrator of the installation.", authority=authority)
    bound = bound_bans(unit.session, (authority,), (unit.now_s, end))
    by_law = [ban.reference for ban in bound if ban.by_law and not caller.has(APPROVERS, ban.authority)]
    if by_law:
        several = Text("{bans} apply in {authority} by law, which an operator may not suspend: {remedy}")
        one = Text("{bans} applies in {authority} by law, which an operator may not suspend: {remedy}")
        text = one if len(by_law) == 1 else several
        raise Forbidden(text.filled(bans=", ".join(by_law), authority=authority, remedy=remedy))
    now = unit.now_s
    spans = repository.spans(unit.session, authority, now - DAY_S, now + DAY_S)
    if suspended_s((*spans, (now, end)), now, end) <= OPERATORS_S:
        return
    time_zone = unit.session.get_one(AuthorityRow, authority).time_zone
    latest = _latest(spans, now)
    held = max((stop for start, stop in spans if start <= now), default=now)
    # The message shows minutes.
    left = Text("none is left")
    if latest - max(now, held) >= 60:
        left = Text("until {clock} at most", clock=_clock(latest, time_zone))
    raise Forbidden(
        Text(
            "{authority} is suspended for {before} in the 24 hours before {clock}, without this request. "
            "An operator may suspend it for {most} in 24: {left}. For more, {remedy}",
            authority=authority,
            before=_hours(suspended_s(spans, now, end)),
            clock=_clock(end, time_zone),
            most=_hours(OPERATORS_S),
            left=left,
            remedy=remedy,
        )
    )


def suspended_s(spans: Intervals, now: Instant, end: Instant) -> int:
    """Return the seconds of `spans` within the day before `end`, each second once.

    Count a suspension that begins after `now` in full: it was recorded before the clock was set back.
    """
    counted = union((max(start, end - DAY_S), stop if start > now else min(stop, end)) for start, stop in spans)
    return sum(stop - start for start, stop in counted)


def _latest(spans: Intervals, now: Instant) -> Instant:
    """Return the last end that needs no approver; `now` if there is none."""
    ends = range(now + 1, now + MAX_SUSPENSION_S + 1)
    # A later end suspends more of the day, never less.
    return now + bisect_right(ends, OPERATORS_S, key=lambda end: suspended_s((*spans, (now, end)), now, end))


def _hours(seconds: int) -> str:
    """Return hours and minutes, rounded up."""
    hours, minutes = divmod(-(-seconds // 60), 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)


def _clock(at: Instant, time_zone: str) -> str:
    return f"{local_time(at, time_zone):%H:%M %Z}"
