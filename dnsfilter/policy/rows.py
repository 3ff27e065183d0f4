"""Compile a policy to rows: for each class of ranges, the effects of each ban over time.

Ranges whose bans cannot differ share a class. A class does not depend on modes or terms: a toggle changes rows, not
classes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import product
from typing import TypeAlias

from dnsfilter.policy.counted_ranges import counts_bans
from dnsfilter.policy.exempted_times import exempted_intervals
from dnsfilter.policy.extended_error import quoted_reference
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, difference, intersection, span, union
from dnsfilter.policy.model import (
    Audience,
    Ban,
    Binding,
    Exemption,
    Funding,
    Ground,
    Instant,
    Mode,
    Policy,
    Prefix,
    Suspension,
    Term,
    Usage,
)


class Effect(IntEnum):
    """The effect of a row on a matching query. The numbers are those of the snapshot format."""

    ENFORCE = 1
    MONITOR = 2
    EXEMPT = 3


@dataclass(frozen=True, slots=True, order=True)
class RangeClass:
    """The properties that determine a range's rows and counts.

    `exempted` is its site and prefix if an exemption names it, `counted` if its queries are counted on their own.
    """

    authority: str
    funding: Funding
    audience: Audience
    exempted: tuple[str, str] | None = None
    counted: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One ban's effect over `[start, end)` for the ranges of a class. `end` is `FOREVER` if open.

    `reference` is that of the formal decision quoted in that time, `ground` is that of a bound ban. `at_once`: a law
    asks that pending names are refused too.
    """

    ban: int
    service: str
    tiers: frozenset[int]
    effect: Effect
    bound: bool
    start: Instant
    end: Instant
    reference: str = ""
    ground: Ground | None = None
    at_once: bool = False


def without_ended_exemptions(policy: Policy, since: Instant) -> Policy:
    """Return the policy without exemptions that ended by `since`. A snapshot has no class for their ranges either.

    They stay in the policy forever, and years of them would slow every toggle.
    """
    left = tuple(exemption for exemption in policy.exemptions if exemption.end > since)
    return policy if len(left) == len(policy.exemptions) else replace(policy, exemptions=left)


def exempted_ranges(policy: Policy) -> frozenset[tuple[str, Prefix]]:
    """Return site and prefix of every range that an exemption names."""
    return frozenset((exemption.site, prefix) for exemption in policy.exemptions for prefix in exemption.ranges)


def usage_levels(policy: Policy) -> dict[str, Usage]:
    """Return the level of each authority. Only these, the exempted ranges and ranges make classes."""
    return {each.slug: each.usage for each in policy.authorities}


def classify(policy: Policy) -> dict[tuple[str, Prefix], RangeClass]:
    """Return the class of every range, by site and prefix."""
    named, levels = exempted_ranges(policy), usage_levels(policy)
    classes: dict[tuple[str, Prefix], RangeClass] = {}
    for registered in policy.ranges:
        range_key = registered.site, str(registered.prefix)
        is_exempted = (registered.site, registered.prefix) in named
        is_counted = counts_bans(registered.prefix, levels.get(registered.authority, Usage.NONE))
        classes[registered.site, registered.prefix] = RangeClass(
            registered.authority,
            registered.funding,
            registered.audience,
            range_key if is_exempted else None,
            range_key if is_counted else None,
        )
    return classes


_Concern: TypeAlias = tuple[Ban, bool, tuple[Binding, ...], tuple[Exemption, ...]]
"""A ban that may apply to a class, whether it is bound, its bindings, and its exemptions for the class."""
_Origin: TypeAlias = tuple[Intervals, tuple[_Concern, ...]]
"""All input for a class's rows except the class: when it is suspended, and the bans that apply to it."""


@dataclass(frozen=True, slots=True)
class ClassRows:
    """The rows of a class, by ban and start, and the bans that it counts.

    `counted` has number and ground of each, once per ground; None is the class's own authority. A ban that is off is
    counted too: its count stands still.
    """

    rows: tuple[Row, ...]
    counted: tuple[tuple[int, Ground | None], ...]


_Applied: TypeAlias = tuple[tuple[int, tuple[Term, ...], tuple[Binding, ...]], ...]
"""All input for the ends of the bans that apply to a class. A toggle leaves it alone."""
_Ends: TypeAlias = tuple[tuple[int, Ground | None, Instant], ...]
"""Number, ground and end of each ban, as if it were never off."""


@dataclass(frozen=True, slots=True)
class _Complete:
    """All rows of a class, and all bans that it ever counts: each with its grounds, and when it last has effect."""

    origin: _Origin
    rows: tuple[Row, ...]
    applied: _Applied
    ends: _Ends

    def after(self, since: Instant) -> ClassRows:
        """Return the rows and the counted bans that end after `since`."""
        counted = tuple((number, ground) for number, ground, end in self.ends if end > since)
        return ClassRows(tuple(row for row in self.rows if row.end > since), counted)


@dataclass(frozen=True, slots=True)
class Made:
    """The results of a maker, for the next one: an act changes few of a thousand classes.

    Computing a year of weekly hours takes 4 ms, and its rows 2 ms.
    """

    rows: Mapping[RangeClass, _Complete]
    laid_out: Mapping[int, tuple[Exemption, Intervals]]


class RowMaker:
    """Makes the rows of one policy's classes. It indexes once, so that a class costs only the bans that apply to it.

    Results in `before` with the same input are reused.
    """

    def __init__(self, policy: Policy, before: Made | None = None) -> None:
        known = before if before is not None else Made({}, {})
        self._known, self._rows = known.rows, dict[RangeClass, _Complete]()
        self._laid_out = {
            exemption.number: held
            for exemption in policy.exemptions
            if (held := known.laid_out.get(exemption.number)) is not None and held[0] == exemption
        }
        self._suspensions: dict[str | None, list[Suspension]] = defaultdict(list)
        self._own: dict[str, list[Ban]] = defaultdict(list)
        self._bindings: dict[str, dict[int, list[Binding]]] = defaultdict(lambda: defaultdict(list))
        self._exemptions: dict[tuple[int, str, str], list[Exemption]] = defaultdict(list)
        self._bans = {ban.number: ban for ban in policy.bans}
        self._in_force: dict[int, Intervals] = {}
        self._held: dict[int, tuple[tuple[str, Intervals], ...]] = {}
        for ban in policy.bans:
            self._own[ban.authority].append(ban)
        for suspension in policy.suspensions:
            self._suspensions[suspension.authority].append(suspension)
        for binding in policy.bindings:
            self._bindings[binding.authority][binding.ban].append(binding)
        for exemption in policy.exemptions:
            for prefix in exemption.ranges:
                self._exemptions[(exemption.ban, exemption.site, str(prefix))].append(exemption)

    @property
    def made(self) -> Made:
        """The rows that were requested from this maker, and the computed hours of the policy's exemptions."""
        return Made(self._rows, self._laid_out)

    def rows(self, range_class: RangeClass, since: Instant = -FOREVER) -> tuple[Row, ...]:
        """Return the class's rows that end after `since`, by ban and start, as if no suspension had ended before it."""
        return self.class_rows(range_class, since).rows

    def class_rows(self, range_class: RangeClass, since: Instant = -FOREVER) -> ClassRows:
        """Return the class's rows and counted bans that end after `since`, as if no suspension had ended before it."""
        origin = self._suspended(range_class.authority, since), tuple(self._concerning(range_class))
        held = self._known.get(range_class)
        if held is None or held.origin != origin:
            applied = tuple((ban.number, ban.terms, bindings) for ban, _, bindings, _ in origin[1])
            ends = held.ends if held is not None and held.applied == applied else tuple(self._ends(origin[1]))
            held = _Complete(origin, tuple(self._all(*origin)), applied, ends)
        self._rows[range_class] = held
        return held.after(since)

    def _all(self, suspended: Intervals, concerning: tuple[_Concern, ...]) -> Iterator[Row]:
        for ban, bound, bindings, exemptions in concerning:
            if ban.mode is Mode.OFF:
                continue
            on = on_intervals(ban)
            grounds: list[tuple[Ground | None, bool, Intervals]] = [(None, False, on)]
            if bound:
                grounds = [(ground, urgent, intersection(on, held)) for ground, urgent, held in _by_urgency(bindings)]
            aside = union((*suspended, *(span for each in exemptions for span in self._lay_out(each))))
            effect = Effect.ENFORCE if ban.mode is Mode.ENFORCE else Effect.MONITOR
            pieces: list[tuple[Interval, Effect, str, Ground | None, bool]] = []
            for (reference, quoted), (ground, urgent, within) in product(self._quoted(ban), grounds):
                held = intersection(quoted, within)
                pieces += [(piece, effect, reference, ground, urgent) for piece in difference(held, aside)]
                pieces += [(piece, Effect.EXEMPT, reference, ground, urgent) for piece in intersection(held, aside)]
            for (start, end), what, reference, ground, urgent in sorted(pieces):
                yield Row(ban.number, ban.service, ban.tiers, what, bound, start, end, reference, ground, urgent)

    def _ends(self, concerning: tuple[_Concern, ...]) -> Iterator[tuple[int, Ground | None, Instant]]:
        for ban, bound, bindings, _ in concerning:
            held = self._in_force.get(ban.number)
            if held is None:
                quoted = (interval for _, intervals in self._quoted(ban) for interval in intervals)
                held = self._in_force[ban.number] = union(quoted)
            if held and not bound:
                yield ban.number, None, held[-1][1]
            for ground, intervals in _by_ground(bindings):
                if (end := max(_last_end(held, within) for within in intervals)) > -FOREVER:
                    yield ban.number, ground, end

    def _lay_out(self, exemption: Exemption) -> Intervals:
        held = self._laid_out.get(exemption.number)
        if held is None or held[0] != exemption:
            held = self._laid_out[exemption.number] = exemption, exempted_intervals(exemption)
        return held[1]

    def _quoted(self, ban: Ban) -> tuple[tuple[str, Intervals], ...]:
        known = self._held.get(ban.number)
        if known is None:
            known = self._held[ban.number] = quoted_intervals(ban)
        return known

    def _concerning(self, range_class: RangeClass) -> Iterator[_Concern]:
        """Yield the bans that cover the class, by number."""
        authority = range_class.authority
        concerning = [(ban, False, list[Binding]()) for ban in self._own.get(authority, ())]
        for number, bindings in self._bindings.get(authority, {}).items():
            ban = self._bans[number]
            if ban.authority != authority:
                concerning.append((ban, True, bindings))
        for ban, bound, bindings in sorted(concerning, key=lambda item: item[0].number):
            if range_class.funding in ban.funding and range_class.audience in ban.audience:
                yield ban, bound, tuple(bindings), self._exempting(ban, range_class)

    def _exempting(self, ban: Ban, range_class: RangeClass) -> tuple[Exemption, ...]:
        if range_class.exempted is None:
            return ()
        return tuple(self._exemptions.get((ban.number, *range_class.exempted), ()))

    def _suspended(self, authority: str, since: Instant) -> Intervals:
        # A suspension that ended before must not even split a row: other holders of the policy may not know it.
        both = (*self._suspensions.get(None, ()), *self._suspensions.get(authority, ()))
        return union((s.start, s.end) for s in both if s.end > since)


def _last_end(intervals: Intervals, within: Interval) -> Instant:
    """Return the end of the last interval that `within` overlaps, at most its end; -FOREVER if it overlaps none."""
    start, end = within
    for first, last in reversed(intervals):
        if first < end:
            return min(last, end) if last > start else -FOREVER
    return -FOREVER


def quoted_intervals(ban: Ban) -> tuple[tuple[str, Intervals], ...]:
    """Return when the ban is in force, by the reference quoted then. Disjoint; adjacent terms with one reference join.

    If terms overlap, quote the one whose effect began last, then the one recorded last.
    """
    begun = sorted(ban.terms, key=lambda term: (max(term.start, term.recorded), term.recorded))
    found: dict[str, Intervals] = {}
    taken: Intervals = ()
    for term in reversed(begun):
        held = span(term.period)
        # Starts fall in this order: a term that ends before the first of the others overlaps none.
        left = difference(held, taken) if taken and held and held[0][1] > taken[0][0] else held
        if left:
            reference = quoted_reference(ban, term)
            found[reference] = union((*found.get(reference, ()), *left))
            taken = union((*taken, *held))
    return tuple(found.items())


def on_intervals(ban: Ban) -> Intervals:
    """Return when the ban is not off."""
    if ban.mode is Mode.OFF:
        return ()
    return ((-FOREVER if ban.off_until is None else ban.off_until, FOREVER),)


def bound_intervals(bindings: Iterable[Binding]) -> Iterator[Interval]:
    """Yield when each binding has effect. An agreement has none before it is accepted."""
    for binding in bindings:
        yield from span(binding.period)


def _by_ground(bindings: Collection[Binding]) -> Iterator[tuple[Ground, Intervals]]:
    """Yield when each ground has effect. A law comes before an agreement at the same time."""
    by_law = [each for each in bindings if each.ground is Ground.LAW]
    law = union(bound_intervals(by_law))
    if law:
        yield Ground.LAW, law
    if len(by_law) < len(bindings):
        agreed = union(bound_intervals(each for each in bindings if each.ground is Ground.AGREEMENT))
        if left := difference(agreed, law):
            yield Ground.AGREEMENT, left


def _by_urgency(bindings: Collection[Binding]) -> Iterator[tuple[Ground, bool, Intervals]]:
    """Yield when each ground has effect, apart for laws that ask for new names at once."""
    at_once = union(bound_intervals(each for each in bindings if each.new_names_at_once))
    for ground, held in _by_ground(bindings):
        urgent = at_once if ground is Ground.LAW else ()
        if both := intersection(held, urgent):
            yield ground, True, both
        if left := difference(held, urgent):
            yield ground, False, left


def range_classes(ranges: dict[tuple[str, Prefix], RangeClass]) -> tuple[RangeClass, ...]:
    """Return the distinct classes, in an order that depends only on them."""
    return tuple(
        sorted(
            set(ranges.values()),
            key=lambda c: (c.authority, c.funding, c.audience, c.exempted or ("", ""), c.counted or ("", "")),
        )
    )
