"""What one policy refuses that another answers: the comparison that decides whether an act needs a second person. Pure.

Rows are compared, not fields. So every change by which less is refused is found: of modes, terms, scopes, replies,
ranges, bindings, exemptions and allowed names, and of a service's names. Both policies are compared as if nothing was
suspended: suspensions have bounds of their own, and an act during one can outlast it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple, TypeAlias, TypeVar

from api.http.prefixes import maps_by_site
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, difference, intersection, span, union
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    Address,
    AllowedName,
    Audience,
    Ban,
    Binding,
    Exemption,
    Funding,
    Ground,
    Instant,
    Policy,
    Prefix,
    Range,
    Reply,
    Service,
    WireName,
)
from dnsfilter.policy.rows import Effect, RangeClass, RowMaker, exempted_ranges, without_ended_exemptions
from dnsfilter.policy.single_names import concerns, covers
from dnsfilter.wire.names import name_text, suffixes

Item = TypeVar("Item", Ban, Binding, Exemption, Range, AllowedName)
_SitePrefix: TypeAlias = tuple[str, Prefix]
_Tier: TypeAlias = tuple[str, int]
"""A service and one of its tiers."""
_Names: TypeAlias = tuple[frozenset[WireName], frozenset[WireName]]
"""Domains and hosts."""


@dataclass(frozen=True, slots=True, order=True)
class LiftedRefusal:
    """Queries for a tier of a service that are refused in `[start, end)` before an act, and answered after it.

    Only those for `name`, an allowed name, or that its answers lead to, and perhaps those of names below it; for all
    names of the tier if it is empty. Without a `service`, no own ban refuses in that time: what lifts is any later one.

    The clients are those of the range `prefix` at `site`, or of all ranges of that kind if both are empty. They get
    `addresses` instead if a ban gives addresses, else what the name has. `decider` is the authority whose rule applies.
    """

    authority: str
    site: str
    prefix: str
    funding: Funding
    audience: Audience
    service: str
    tier: int
    start: Instant
    end: Instant
    addresses: tuple[str, ...]
    decider: str
    name: str = ""


class _Clients(NamedTuple):
    """Clients that share their rows, and their class before and after. Without a class nothing is refused."""

    site: str
    prefix: str
    before: RangeClass
    after: RangeClass | None


class _Piece(NamedTuple):
    """A time in which a ban refuses a tier, when no other ban goes first, and the addresses that clients then get."""

    ban: int
    ground: Ground | None
    held: Interval
    first: Intervals
    given: frozenset[Address]


_Refused: TypeAlias = Mapping[_Tier, Sequence[_Piece]]
_Another: TypeAlias = tuple[frozenset[Address], Intervals]
"""Addresses that clients get, and when."""


def lifted_refusals(
    before: Policy, after: Policy, deciders: Collection[str], now: Instant
) -> tuple[LiftedRefusal, ...]:
    """Return what `before` refuses from `now` on that `after` answers, or answers with another address.

    Return it only if one of `deciders` decides: the authority of a ban that changed or is no longer bound, else that of
    the ranges. Values that did not change should be the same objects: that makes the comparison fast.

    What another ban still refuses is not lifted if `decider` has that ban, or if a law binds it. A ban by agreement
    does not count: its authority could end it alone.
    """
    changes = _Changes.between(before, after, now)
    if not any(changes):
        return ()
    return tuple(
        sorted(
            _Comparison(
                _ComparedPolicy(before, now), _ComparedPolicy(after, now), changes, frozenset(deciders)
            ).lifted()
        )
    )


class _Changes(NamedTuple):
    """What only one of two policies has."""

    bans: tuple[Ban, ...]
    bindings: tuple[Binding, ...]
    exemptions: tuple[Exemption, ...]
    ranges: tuple[Range, ...]
    tiers: frozenset[_Tier]
    """Tiers that lost names."""
    allowed: tuple[AllowedName, ...]

    @classmethod
    def between(cls, before: Policy, after: Policy, now: Instant) -> "_Changes":
        """Return what differs."""
        return cls(
            changed_items(before.bans, after.bans),
            changed_items(before.bindings, after.bindings),
            changed_items(before.exemptions, after.exemptions),
            changed_items(before.ranges, after.ranges),
            frozenset(_shrunk(before.services, after.services, now)),
            changed_items(before.allowed, after.allowed),
        )


class _ComparedPolicy:
    """One of the two policies: what it refuses for a class of ranges."""

    def __init__(self, policy: Policy, now: Instant) -> None:
        self.policy = replace(without_ended_exemptions(policy, now), suspensions=())
        self.bans = {ban.number: ban for ban in policy.bans}
        self.named = exempted_ranges(self.policy)
        self._maker, self.now = RowMaker(self.policy), now
        self.services = {service.slug: service for service in policy.services}
        self._tiers = {service.slug: {tier.number for tier in service.tiers} for service in policy.services}

    def class_of(self, held: Range) -> RangeClass:
        """Return the class of a range, without what is only counted."""
        exempted = (held.site, str(held.prefix)) if (held.site, held.prefix) in self.named else None
        return RangeClass(held.authority, held.funding, held.audience, exempted)

    def refused(self, range_class: RangeClass | None) -> _Refused:
        """Return what is refused for a class. If several bans refuse, the reply of the first counts."""
        found: defaultdict[_Tier, list[_Piece]] = defaultdict(list)
        rows = () if range_class is None else self._maker.rows(range_class, self.now)
        enforced = (row for row in rows if row.effect is Effect.ENFORCE)
        for row in sorted(enforced, key=lambda row: (row.bound, row.ban)):
            ban, held = self.bans[row.ban], (max(row.start, self.now), row.end)
            given = frozenset(ban.addresses) if ban.reply is Reply.ADDRESS else frozenset[Address]()
            for tier in row.tiers & self._tiers[row.service]:
                pieces = found[row.service, tier]
                first = difference((held,), _first(pieces))
                pieces.append(_Piece(row.ban, row.ground, held, first, given))
        return found


class _Comparison:
    def __init__(
        self, before: _ComparedPolicy, after: _ComparedPolicy, changes: _Changes, deciders: frozenset[str]
    ) -> None:
        self._before, self._after, self._changes, self._deciders = before, after, changes, deciders
        self._bans = {ban.number for ban in changes.bans}
        shrunk = {service for service, _ in changes.tiers}
        self._bans |= {number for number, ban in before.bans.items() if ban.service in shrunk}
        self._rebound = {(binding.ban, binding.authority) for binding in changes.bindings}
        self._authorities = frozenset(self._concerned())
        self._sharing = _sharing(after.policy.services) if any(ban.addresses for ban in after.policy.bans) else {}

    def lifted(self) -> Iterator[LiftedRefusal]:
        """Yield what is refused before and not after."""
        yield from self._freed()
        for clients in (*self._kinds(), *self._exempted(), *self._ranges()):
            held, was, kept = clients.before, self._before.refused(clients.before), self._after.refused(clients.after)
            for (service, tier), pieces in was.items():
                for piece in pieces:
                    decider = self._decider(piece.ban, held.authority)
                    if decider is None:
                        continue
                    for addresses, (start, end) in self._lost((service, tier), piece, decider, was, kept):
                        whose = held.authority, clients.site, clients.prefix, held.funding, held.audience
                        yield LiftedRefusal(*whose, service, tier, start, end, addresses, decider)

    def _freed(self) -> Iterator[LiftedRefusal]:
        """Yield the names that only the later policy allows, for each kind of ranges that an own ban covers."""
        for allowed in self._changes.allowed:
            if allowed.authority in self._deciders and allowed in self._after.policy.allowed:
                ahead = intersection(span(allowed.period), ((self._before.now, FOREVER),))
                freed = difference(ahead, union(self._free_before(allowed)))
                own = [ban for ban in self._before.bans.values() if ban.authority == allowed.authority]
                kinds = {kind for ban in own for kind in product(ban.funding, ban.audience)}
                classes = [RangeClass(allowed.authority, *kind) for kind in sorted(kinds)]
                refused = [(held, times) for held in classes if (times := self._own_refused(held, freed))]
                for held, times in refused:
                    yield from self._freed_of(held, allowed, times)
                if not refused:
                    yield from _freed_later(allowed, freed)

    def _free_before(self, allowed: AllowedName) -> Iterator[Interval]:
        for one in self._before.policy.allowed:
            wide = allowed.exact or not one.exact
            if one.authority == allowed.authority and wide and covers(one.name, one.exact, allowed.name):
                yield from span(one.period)

    def _own_refused(self, held: RangeClass, freed: Intervals) -> Mapping[_Tier, Intervals]:
        """Return when own bans refuse each tier for a class within `freed`."""
        refused = self._before.refused(held)
        own = {tier: union(one.held for one in pieces if one.ground is None) for tier, pieces in refused.items()}
        return {tier: times for tier, intervals in own.items() if (times := intersection(intervals, freed))}

    def _freed_of(
        self, held: RangeClass, allowed: AllowedName, own: Mapping[_Tier, Intervals]
    ) -> Iterator[LiftedRefusal]:
        refused = self._before.refused(held)
        named = [
            (slug, tier)
            for slug, tier in own
            if concerns(self._before.services[slug], {tier}, allowed.name, allowed.exact)
        ]
        # The answers of a name that no own ban refuses are freed too, and may lead to names of any.
        for slug, tier in named or own:
            stays = union(one.held for one in refused[slug, tier] if one.ground is Ground.LAW)
            for start, end in difference(own[slug, tier], stays):
                whose = held.authority, "", "", held.funding, held.audience
                yield LiftedRefusal(*whose, slug, tier, start, end, (), allowed.authority, name_text(allowed.name))

    def _lost(
        self, tier: _Tier, piece: _Piece, decider: str, was: _Refused, kept: _Refused
    ) -> Iterator[tuple[tuple[str, ...], Interval]]:
        """Yield when a piece no longer refuses, and the addresses that clients get then."""
        left = piece.first
        if tier in self._changes.tiers:
            # Some names of the tier are answered from now on.
            yield from (((), interval) for interval in left)
            return
        for given, when in self._other_addresses(tier, piece, was, kept):
            addresses = tuple(sorted(map(str, given)))
            yield from ((addresses, interval) for interval in intersection(left, when))
            left = difference(left, when)
        stays = union(one.held for one in kept.get(tier, ()) if self._stays(one, piece, decider))
        yield from (((), interval) for interval in difference(left, stays))

    def _stays(self, one: _Piece, before: _Piece, decider: str) -> bool:
        """Return whether what refuses after the act is not another authority's to end without a law."""
        return one.ban == before.ban or one.ground is Ground.LAW or self._after.bans[one.ban].authority == decider

    def _other_addresses(self, tier: _Tier, piece: _Piece, was: _Refused, kept: _Refused) -> Iterator[_Another]:
        """Yield the addresses that clients get only after the act, also of a ban on another tier that shares names."""
        for one in kept.get(tier, ()):
            if not one.given <= piece.given:
                yield one.given, one.first
        for sharing in self._sharing.get(tier, ()):
            for one in kept.get(sharing, ()):
                if not one.given <= piece.given:
                    known = _first(old for old in was.get(sharing, ()) if one.given <= old.given)
                    yield one.given, difference(one.first, known)

    def _decider(self, number: int, authority: str) -> str | None:
        """Return who decides that a ban no longer refuses in an authority; None if no decider does."""
        owner = self._before.bans[number].authority
        if (number, authority) in self._rebound:
            candidates: tuple[str, ...] = (owner, authority)
        else:
            candidates = (owner,) if number in self._bans else (authority,)
        return next((one for one in candidates if one in self._deciders), None)

    def _concerned(self) -> Iterator[str]:
        """Yield the authorities in which a changed ban or binding may matter to a decider."""
        owners = {ban.number: ban.authority for side in (self._before, self._after) for ban in side.bans.values()}
        yield from (owners[number] for number in self._bans if owners[number] in self._deciders)
        bound = {(one.ban, one.authority) for side in (self._before, self._after) for one in side.policy.bindings}
        for number, authority in bound:
            changed = number in self._bans or (number, authority) in self._rebound
            if changed and not self._deciders.isdisjoint((owners[number], authority)):
                yield authority

    def _kinds(self) -> Iterator[_Clients]:
        """Yield the kinds of ranges that such a ban covers, registered or not: a ban is for later ranges too."""
        concerned = self._bans | {number for number, _ in self._rebound}
        bans = [ban for side in (self._before, self._after) for number, ban in side.bans.items() if number in concerned]
        kinds = {kind for ban in bans for kind in product(ban.funding, ban.audience)}
        for authority, kind in product(sorted(self._authorities), sorted(kinds)):
            held = RangeClass(authority, *kind)
            yield _Clients("", "", held, held)

    def _exempted(self) -> Iterator[_Clients]:
        """Yield the ranges that exemptions name, if a ban that applies there or such an exemption changed."""
        touched = {(one.site, prefix) for one in self._changes.exemptions for prefix in one.ranges}
        named = self._before.named | self._after.named
        if named and (self._authorities or touched):
            for held in self._before.policy.ranges:
                key = held.site, held.prefix
                if key in touched or (held.authority in self._authorities and key in named):
                    yield self._clients(key, held, held)

    def _ranges(self) -> Iterator[_Clients]:
        """Yield the ranges that were registered, changed or removed. Their clients may be those of a wider range."""
        before, after = self._before.policy.ranges, self._after.policy.ranges
        changed = {(held.site, held.prefix) for held in self._changes.ranges}
        if not changed:
            return
        maps = [maps_by_site((held.site, held.prefix, held) for held in ranges) for ranges in (before, after)]
        for site, prefix in sorted(changed, key=str):
            was, becomes = (found[site].of(prefix) if site in found else None for found in maps)
            if was is not None:
                yield self._clients((site, prefix), was, becomes)

    def _clients(self, key: _SitePrefix, before: Range, after: Range | None) -> _Clients:
        becomes = None if after is None else self._after.class_of(after)
        return _Clients(key[0], str(key[1]), self._before.class_of(before), becomes)


def _freed_later(allowed: AllowedName, freed: Intervals) -> Iterator[LiftedRefusal]:
    """Yield what an allowed name frees from own bans to come, for the kinds of ranges that bans usually cover."""
    for (funding, audience), (start, end) in product(sorted(product(DEFAULT_FUNDING, DEFAULT_AUDIENCE)), freed):
        whose = allowed.authority, "", "", funding, audience
        yield LiftedRefusal(*whose, "", 0, start, end, (), allowed.authority, name_text(allowed.name))


def _shrunk(before: Sequence[Service], after: Sequence[Service], now: Instant) -> Iterator[_Tier]:
    """Yield the tiers of which some names are no longer covered, or pending instead of enforced.

    Only services with other tiers are compared.
    """
    if before is after:
        return
    then = {service.slug: service for service in after}
    for service in before:
        becomes = then.get(service.slug)
        if becomes is None or becomes.tiers is service.tiers:
            continue
        for number in sorted({tier.number for tier in service.tiers}):
            at_once = _has_lost(_names(service, number, now), _names(becomes, number, now))
            if at_once or _has_lost(_names(service, number, FOREVER), _names(becomes, number, FOREVER)):
                yield service.slug, number


def _has_lost(was: _Names, stays: _Names) -> bool:
    lost = (was[0] - stays[0]) | (was[1] - stays[1])
    return any(stays[0].isdisjoint(suffixes(name)) for name in lost)


def _names(service: Service, number: int, at: Instant) -> _Names:
    """Return the domains and hosts of a tier that are not pending at `at`."""
    tiers = [tier for tier in service.tiers if tier.number == number and not tier.is_pending(at)]
    none = frozenset[WireName]()
    return none.union(*(tier.domains for tier in tiers)), none.union(*(tier.hosts for tier in tiers))


def _first(pieces: Iterable[_Piece]) -> Intervals:
    return union(interval for piece in pieces for interval in piece.first)


def _sharing(services: Iterable[Service]) -> Mapping[_Tier, frozenset[_Tier]]:
    """Return for each tier the others that have a name in common with it, or one above or below."""
    of_name: defaultdict[WireName, set[_Tier]] = defaultdict(set)
    for service in services:
        for tier in service.tiers:
            for name in tier.domains | tier.hosts:
                of_name[name].add((service.slug, tier.number))
    found: defaultdict[_Tier, set[_Tier]] = defaultdict(set)
    for name, lower in of_name.items():
        for one, other in product(lower, {tier for above in suffixes(name) for tier in of_name.get(above, ())}):
            if one != other:
                found[one].add(other)
                found[other].add(one)
    return {tier: frozenset(others) for tier, others in found.items()}


def changed_items(before: Sequence[Item], after: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items that only one of the two has."""
    if before is after:
        return ()
    held, holding = {id(item) for item in before}, {id(item) for item in after}
    was = {item for item in before if id(item) not in holding}
    becomes = {item for item in after if id(item) not in held}
    return tuple(was ^ becomes)
