"""Which bans apply in ranges after an act that did not before, and the other way round. Pure.

The policies before and after it are compared, without suspensions: those end by themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from api.http.prefixes import maps_by_site
from api.publish.lifted_refusals import changed_items
from dnsfilter.policy.decide import Standing, standings
from dnsfilter.policy.model import Instant, Mode, Policy, Prefix, Range
from dnsfilter.policy.rows import exempted_ranges


class AppliedBan(NamedTuple):
    """A ban that applies in a range: its authority and service, its mode, and whether a binding brings it there."""

    authority: str
    service: str
    mode: Mode
    bound: bool


_Applied: TypeAlias = frozenset[AppliedBan]


@dataclass(frozen=True, slots=True)
class ChangedBans:
    """Ranges in which the same bans begin and end to apply, by site and prefix, and their authority before and after.

    The clients of a range that only one policy has are those of the next wider range in the other one, if any.
    """

    ranges: tuple[tuple[str, Prefix], ...]
    before: str | None
    after: str | None
    begin: _Applied
    end: _Applied


def changed_bans(before: Policy, after: Policy, now: Instant) -> tuple[ChangedBans, ...]:
    """Return what changes from `now` on in the ranges that were registered, changed, moved or removed."""
    changed = {(held.site, held.prefix) for held in changed_items(before.ranges, after.ranges)}
    if not changed:
        return ()
    sides = _ComparedPolicy(before, now), _ComparedPolicy(after, now)
    groups: dict[tuple[str | None, str | None, _Applied, _Applied], list[tuple[str, Prefix]]] = {}
    for changed_range in sorted(changed, key=lambda item: (item[0], item[1].version, item[1])):
        was, becomes = (side.holding(*changed_range) for side in sides)
        held, kept = (side.applied(found) for side, found in zip(sides, (was, becomes), strict=True))
        if held != kept:
            owners = [None if found is None else found.authority for found in (was, becomes)]
            groups.setdefault((owners[0], owners[1], kept - held, held - kept), []).append(changed_range)
    return tuple(ChangedBans(tuple(ranges), *key) for key, ranges in groups.items())


class _ComparedPolicy:
    """One of the two policies."""

    def __init__(self, policy: Policy, now: Instant) -> None:
        self._policy, self._now = replace(policy, suspensions=()), now
        self._ranges = maps_by_site((held.site, held.prefix, held) for held in policy.ranges)
        self._exempted = exempted_ranges(policy)
        self._known: dict[object, _Applied] = {}

    def holding(self, site: str, prefix: Prefix) -> Range | None:
        """Return the narrowest range that contains the prefix."""
        return self._ranges[site].of(prefix) if site in self._ranges else None

    def applied(self, held: Range | None) -> _Applied:
        """Return the bans that apply in a range. Ranges that no exemption names share them with their kind."""
        if held is None:
            return frozenset()
        own = held.site, held.prefix
        key = held.authority, held.funding, held.audience, own if own in self._exempted else None
        if key not in self._known:
            self._known[key] = frozenset(self._standing(held))
        return self._known[key]

    def _standing(self, held: Range) -> Iterator[AppliedBan]:
        for item in standings(self._policy, held, self._now):
            if item.standing is Standing.IN_FORCE:
                ban = item.ban
                yield AppliedBan(ban.authority, ban.service, ban.mode_at(self._now), item.bound)
