"""What a ban covered and replied over time, from the acts on it. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from api.db.base import Json
from api.db.models import AuditRow
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, intersection, union
from dnsfilter.policy.model import Instant, Reply

SCOPE = ("tiers", "funding", "audience")
"""Fields of a ban that say what it covers. Clients of other kinds are not refused."""
REPLY = ("reply", "addresses")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What acts left out of a ban's scope over `[start, end)`."""

    start: Instant
    end: Instant
    tiers: Sequence[int]
    funding: Sequence[str]
    audience: Sequence[str]

    @property
    def is_nothing(self) -> bool:
        """Return whether the ban covers all that it had covered."""
        return not (self.tiers or self.funding or self.audience)


def changed_fields(act: AuditRow) -> Sequence[str]:
    """Return the fields of scope and reply that an act on an existing ban changed."""
    before, after = act.before, act.after
    if before is None or after is None:
        return ()
    return [name for name in (*SCOPE, *REPLY) if name in after and before.get(name) != after[name]]


def state_at(acts: Iterable[AuditRow], end: Instant) -> Json | None:
    """Return the ban as the last act before `end` left it; None if there is none."""
    return next((ban for start, _, ban in reversed([*_states(acts)]) if start < end), None)


def left_out(acts: Iterable[AuditRow], within: Interval) -> list[LeftOut]:
    """Return what the ban had covered and an act left out of its scope, within a time."""
    covered: dict[str, set[Any]] = {name: set() for name in SCOPE}
    found: list[LeftOut] = []
    for start, end, ban in _states(acts):
        missing = {}
        for name in SCOPE:
            covered[name].update(ban[name])
            missing[name] = sorted(covered[name].difference(ban[name]))
        one = LeftOut(start, end, **missing)
        if found and replace(found[-1], start=start, end=end) == one:
            one = replace(one, start=found.pop().start)
        found.append(one)
    clipped = (replace(one, start=max(one.start, within[0]), end=min(one.end, within[1])) for one in found)
    return [one for one in clipped if one.start < one.end and not one.is_nothing]


def addressed(acts: Iterable[AuditRow], within: Interval) -> Intervals:
    """Return when the ban replied with addresses, within a time."""
    found = ((start, end) for start, end, ban in _states(acts) if ban["reply"] == Reply.ADDRESS)
    return intersection(union(found), (within,))


def _states(acts: Iterable[AuditRow]) -> Iterator[tuple[Instant, Instant, Json]]:
    """Yield the ban as each act left it, with the time until the next act."""
    known = [(act.time_s, act.after) for act in acts if act.after is not None and "reply" in act.after]
    for (start, ban), (end, _) in pairwise([*known, (FOREVER, {})]):
        yield start, end, ban
