"""What authorities decided, as a plain list: the reference for any sequence of acts.

It is a specification. It follows from the requests and from whether they succeeded, and does not depend on the program.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
FOREVER = 2**62
PROVISIONAL_S = 72 * HOUR
VERDICTS = ("pass", "monitor", "refuse")
SUMMER_TIME = (1_792_890_000, 1_806_195_600)
"""When summer time ends in 2026 and begins in 2027: 25 October and 28 March, 01:00 UTC."""


@dataclass
class Span:
    """When a decision holds, from `start` until `end`, and since when it is known.

    An act may have moved `end` forward.
    """

    start: int
    end: int = FOREVER
    known: int = 0
    decided: int = 0
    """The end that was decided first."""
    merged: bool = False
    """Whether the span comes from a merged authority and is not the authority's own decision."""

    def __post_init__(self) -> None:
        self.decided = self.decided or self.end

    def holds(self, at: int) -> bool:
        return max(self.start, self.known) <= at < self.end

    def is_among(self, said: list[tuple[int, int]]) -> bool:
        """Return whether the span is one of these starts and ends.

        A file may give the decided end or the earlier one.
        """
        return (self.start, self.end) in said or (self.start, self.decided) in said

    @property
    def edges(self) -> tuple[int, ...]:
        return (self.start, self.known, self.end)


@dataclass(frozen=True)
class Hours:
    """Days of the week, from one minute of the day to another, in local time of a zone."""

    days: frozenset[int]
    opens: int
    closes: int
    zone: ZoneInfo

    def hold(self, at: int) -> bool:
        """Return whether `at` is in the hours.

        On these days, they last from the first time that clocks show `opens` until the last time that they show
        `closes`.
        """
        here = self._shown(at)
        if here.weekday() not in self.days:
            return False
        near = any(abs(at - change) <= 2 * HOUR for change in SUMMER_TIME)
        reach = HOUR if near else 0
        until = [self._shown(at - back) for back in range(0, reach + 1, MINUTE)]
        since = [self._shown(at + ahead) for ahead in range(0, reach + 1, MINUTE)]
        opened = any(_minute(shown) >= self.opens for shown in until if shown.date() == here.date())
        closed = all(_minute(shown) >= self.closes for shown in since if shown.date() == here.date())
        return opened and not closed

    def edges(self, span: Span) -> Iterator[int]:
        """Yield every instant at which the hours may begin or end in `span`, and some instants without a change."""
        day = datetime.fromtimestamp(span.start, UTC).replace(hour=0, minute=0, second=0) - timedelta(days=1)
        while day.timestamp() <= span.end + DAY:
            for minute in (self.opens, self.closes):
                local = (day + timedelta(minutes=minute)).replace(tzinfo=self.zone)
                yield from (int(local.replace(fold=fold).timestamp()) for fold in (0, 1))
            day += timedelta(days=1)
        yield from (change for change in SUMMER_TIME if span.start <= change <= span.end)

    def _shown(self, at: int) -> datetime:
        return datetime.fromtimestamp(at, self.zone)


@dataclass
class Bound:
    """An authority that a ban is bound to. An agreement is known since it was accepted."""

    to: str
    law: bool
    span: Span


@dataclass
class Exempted:
    """A range that is exempt from a ban. The exemption is known since it was approved."""

    prefix: str
    span: Span
    hours: Hours | None = None

    def holds(self, at: int) -> bool:
        return self.span.holds(at) and (self.hours is None or self.hours.hold(at))


@dataclass
class Ban:
    """A ban as requested, with its bindings and exemptions by number."""

    number: int
    owner: str
    service: str
    mode: str
    terms: list[Span]
    covered: tuple[set[str], set[str]]
    provisional: bool = False
    bound: dict[int, Bound] = field(default_factory=dict)
    exempted: dict[int, Exempted] = field(default_factory=dict)

    def in_term(self, at: int) -> bool:
        return any(span.holds(at) for span in self.terms)

    def in_own_term(self, at: int) -> bool:
        """Return whether the ban holds by a decision of its own authority."""
        return any(span.holds(at) and not span.merged for span in self.terms)

    def applies_in(self, authority: str, at: int) -> bool:
        return self.owner == authority or any(one.to == authority and one.span.holds(at) for one in self.bound.values())

    def end(self, at: int, now: int) -> None:
        """End the ban at `at`. Remove terms that would begin later. A term that has begun lasts at least one second."""
        self.terms = [span for span in self.terms if span.start <= now or span.start < at]
        for span in self.terms:
            if span.end > at:
                span.end = max(at, span.start + 1)


Range = tuple[str, str, str]
"""The authority of a range, its funding and its audience."""


@dataclass
class Decided:
    """All decisions that hold or may still hold."""

    ranges: dict[str, Range] = field(default_factory=dict)
    bans: dict[tuple[str, str], Ban] = field(default_factory=dict)
    suspended: dict[int, tuple[str | None, Span]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    """When authorities close or have closed, by slug."""

    def copy(self) -> "Decided":
        return deepcopy(self)

    def verdict(self, client: str, service: str, at: int) -> str:
        """Return the verdict for a client that asks for a service at an instant."""
        prefix = self._prefix_of(client)
        if prefix is None:
            return "pass"
        owner, funding, audience = self.ranges[prefix]
        if any(slug in (None, owner) and span.holds(at) for slug, span in self.suspended.values()):
            return "pass"
        found = {
            ban.mode
            for ban in self.bans.values()
            if ban.service == service
            and ban.applies_in(owner, at)
            and ban.in_term(at)
            and funding in ban.covered[0]
            and audience in ban.covered[1]
            and not any(one.prefix == prefix and one.holds(at) for one in ban.exempted.values())
        }
        return "refuse" if "enforce" in found else "monitor" if "monitor" in found else "pass"

    def edges(self) -> Iterator[int]:
        """Yield every instant at which a verdict may change."""
        for ban in self.bans.values():
            for span in (*ban.terms, *(one.span for one in ban.bound.values())):
                yield from span.edges
            for one in ban.exempted.values():
                yield from one.span.edges
                if one.hours is not None:
                    yield from one.hours.edges(one.span)
        for _, span in self.suspended.values():
            yield from span.edges
        yield from self.closed.values()

    def close(self, slug: str, at: int, now: int) -> None:
        """Close an authority at an instant. End its bans, and the bindings and exemptions that depend on it.

        Its ranges stay.
        """
        self.closed[slug] = at
        for ban in self.bans.values():
            mine = ban.owner == slug
            for bound in ban.bound.values():
                if mine or bound.to == slug:
                    bound.span.end = min(bound.span.end, at)
            if mine:
                ban.end(at, now)
                for exempted in ban.exempted.values():
                    exempted.span.end = min(exempted.span.end, at)

    def reaches_beyond_a_closing(self) -> Iterator[object]:
        """Yield what is still in force after its authority has closed. A correct list has nothing of the kind."""
        for ban in self.bans.values():
            spans = [(ban.owner, span) for span in ban.terms]
            spans += [(slug, one.span) for one in ban.bound.values() for slug in (ban.owner, one.to)]
            for slug, span in spans:
                last = self.closed.get(slug, FOREVER)
                # What began in the very second of the closing lasts for that second.
                if span.end > max(span.start, span.known) and span.end > last + (span.start == last):
                    yield slug, ban.service, span

    def after_merging(self, slug: str, into: str, client: str, service: str, at: int, now: int) -> tuple[str, ...]:
        """Return the allowed verdicts after `slug` has merged into `into`: unchanged, unless the successor decides.

        The merger happens at `now`. The successor's own ban decides while it holds and is not off. It also decides in
        the gaps of a ban in force, since a ban has one mode and one scope. A ban that the successor took over, or that
        is off, lifts nothing. A client that is subject to the successor's bans may be refused for a ban that the
        successor takes over. A client that moves to the successor may be refused for a ban that binds the successor.
        """
        was, owner, mine = self.verdict(client, service, at), self.owner_of(client), self.bans.get((into, service))
        theirs = self.bans.get((slug, service))
        concerned = owner != into or (theirs is not None and theirs.applies_in(into, at))
        ruled = mine is not None and mine.mode != "off" and concerned
        if mine is not None and ruled and (mine.in_own_term(at) or (mine.in_own_term(now) and not mine.provisional)):
            return VERDICTS
        subject = owner == into or (mine is not None and owner is not None and mine.applies_in(owner, at))
        there = [ban for ban in self.bans.values() if ban.service == service and ban.applies_in(into, at)]
        if subject or (owner == slug and any(ban.in_term(at) for ban in there)):
            return VERDICTS[VERDICTS.index(was) :]
        return (was,)

    def owner_of(self, client: str) -> str | None:
        """Return the authority of the most specific range that contains the client, or None."""
        prefix = self._prefix_of(client)
        return None if prefix is None else self.ranges[prefix][0]

    def _prefix_of(self, client: str) -> str | None:
        held = [prefix for prefix in self.ranges if ip_address(client) in ip_network(prefix)]
        return max(held, key=lambda one: ip_network(one).prefixlen, default=None)

    def roll_back(self, then: "Decided") -> None:
        """Restore ranges, and the modes and scopes of the bans that still exist. Nothing else changes."""
        self.ranges = dict(then.ranges)
        numbered = {ban.number: ban for ban in then.bans.values()}
        for ban in self.bans.values():
            if ban.number in numbered:
                ban.mode, ban.covered = numbered[ban.number].mode, numbered[ban.number].covered

    def apply(self, then: "Decided", now: int, numbers: dict[tuple[str, str], int]) -> None:
        """Apply a file made earlier to ranges and bans. Terms that have begun since stay, other terms go.

        `numbers` has the numbers of the bans: a removed ban comes back with a new number.
        """
        self.ranges = dict(then.ranges)
        kept = {key: ban for key, ban in then.bans.items() if any(span.end > span.start for span in ban.terms)}
        for key in self.bans.keys() - kept.keys():
            assert all(span.start > now or span.end <= span.start for span in self.bans[key].terms)
            if any(span.end > span.start for span in self.bans[key].terms):
                del self.bans[key]
        for key, past in kept.items():
            if key not in self.bans:
                terms = [Span(now, now + PROVISIONAL_S)] if past.provisional else past.terms
                again = [Span(span.start, span.end, now) for span in terms]
                self.bans[key] = Ban(numbers[key], *key, past.mode, again, past.covered, past.provisional)
                continue
            ban = self.bans[key]
            ban.mode, ban.covered = past.mode, past.covered
            if not past.provisional:
                begun = [span for span in ban.terms if span.start <= now]
                planned = [span for span in ban.terms if span.start > now]
                said = [(span.start, span.end) for span in past.terms]
                ban.terms = begun + [span for span in planned if span.is_among(said)]
                fresh = [ends for ends in said if not any(span.is_among([ends]) for span in ban.terms)]
                ban.terms += [Span(*ends, now) for ends in fresh]
                ban.provisional = False


def _minute(shown: datetime) -> int:
    return 60 * shown.hour + shown.minute
