"""The decision of a policy for one client, one name and one instant: the readable oracle.

Nothing here is fast, and the compiled snapshot shares only its values. It states the rules once and plainly, so that
faster implementations can be compared with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from dnsfilter.policy.exempted_times import exemption_begins, exemption_holds
from dnsfilter.policy.model import (
    Address,
    Ban,
    Binding,
    Exemption,
    Instant,
    Mode,
    Period,
    Policy,
    Range,
    Service,
    Suspension,
    Term,
    WireName,
)
from dnsfilter.wire.names import suffixes


class Dated(Protocol):
    """Anything with a period: a term of a policy, or a row of one."""

    @property
    def period(self) -> Period:
        """Return when it has effect."""


DatedTerm = TypeVar("DatedTerm", bound=Dated)


class Verdict(StrEnum):
    """The result for the query."""

    REFUSE = "refuse"
    MONITOR = "monitor"
    PASS = "pass"


class Standing(StrEnum):
    """Why a ban applies to the query, or does not."""

    IN_FORCE = "in_force"
    OFF = "off"
    NOT_BOUND = "not_bound"
    NOT_IN_TERM = "not_in_term"
    NOT_COVERED = "not_covered"
    OTHER_TIER = "other_tier"
    EXEMPTED = "exempted"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Considered:
    """One ban that could apply to the query. `suffix` is the longest matching name of its tiers, or empty.

    `term` is the one in force. Its formal decision is quoted.
    """

    ban: Ban
    bound: bool
    standing: Standing
    suffix: WireName
    binding: Binding | None = None
    exemption: Exemption | None = None
    suspension: Suspension | None = None
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a policy for (client, name, instant).

    `authority` is that of the client's range, or None if it is in no range. `ban`, `service`, `bound` and `suffix`
    describe the winner: the refusing ban, or the first monitoring ban. `monitored` and `exempted` are the services to
    count. `admitted`: the client is in no range, and gets an answer because all are suspended.
    """

    verdict: Verdict
    authority: str | None
    ban: int | None = None
    service: str | None = None
    bound: bool = False
    suffix: WireName = b""
    monitored: frozenset[str] = frozenset()
    exempted: frozenset[str] = frozenset()
    admitted: bool = False


def decide(policy: Policy, site: str, client: Address, name: WireName, at: Instant) -> Decision:
    """Return the decision for `client` at `site` if it queries `name` at `at`."""
    registered = range_of(policy, site, client)
    if registered is None:
        return Decision(Verdict.PASS, None, admitted=any(_suspends(s, None, at) for s in policy.suspensions))
    considered = consider(policy, registered, name, at)
    standing = [item for item in considered if item.standing is Standing.IN_FORCE]
    monitored = frozenset(item.ban.service for item in standing if item.ban.mode is Mode.MONITOR)
    if not standing:
        aside = {Standing.EXEMPTED, Standing.SUSPENDED}
        exempted = frozenset(item.ban.service for item in considered if item.standing in aside)
        return Decision(Verdict.PASS, registered.authority, exempted=exempted)
    winner = min(standing, key=precedence)
    verdict = Verdict.REFUSE if winner.ban.mode is Mode.ENFORCE else Verdict.MONITOR
    return Decision(
        verdict,
        registered.authority,
        winner.ban.number,
        winner.ban.service,
        winner.bound,
        winner.suffix,
        monitored,
    )


def precedence(item: Considered) -> tuple[bool, bool, int, int]:
    """Return a sort key, best first: enforcing before monitoring, own before bound, longest suffix, lowest number."""
    return (item.ban.mode is not Mode.ENFORCE, item.bound, -len(item.suffix), item.ban.number)


def range_of(policy: Policy, site: str, client: Address) -> Range | None:
    """Return the most specific range of `site` that contains `client`, or None."""
    holding = ranges_of(policy, site, client)
    return max(holding, key=lambda candidate: candidate.prefix.prefixlen, default=None)


def ranges_of(policy: Policy, site: str, client: Address) -> Iterator[Range]:
    """Return the ranges of `site` that contain `client`, in no order."""
    return (
        candidate
        for candidate in policy.ranges
        if candidate.site == site and client.version == candidate.prefix.version and client in candidate.prefix
    )


def consider(policy: Policy, registered: Range, name: WireName, at: Instant) -> tuple[Considered, ...]:
    """Return every ban of, or bound in, the range's authority on a service that `name` belongs to, by number."""
    services = {service.slug: service for service in policy.services}
    found = []
    for ban, bindings in bans_concerning(policy, registered.authority):
        tiers = matched_tiers(services[ban.service], name)
        if tiers:
            found.append(_considered(policy, registered, ban, bindings, tiers, at))
    return tuple(sorted(found, key=lambda item: item.ban.number))


def standings(policy: Policy, registered: Range, at: Instant) -> Iterator[Considered]:
    """Yield each ban that concerns a range, considered for a name in its own lowest tier: a range has no name."""
    services = {service.slug: service for service in policy.services}
    for ban, bindings in bans_concerning(policy, registered.authority):
        tiers = [tier for tier in services[ban.service].tiers if tier.number in ban.tiers]
        name = next((min(tier.domains or tier.hosts) for tier in tiers if tier.domains or tier.hosts), None)
        if name is not None:
            yield _considered(policy, registered, ban, bindings, matched_tiers(services[ban.service], name), at)


def bans_concerning(policy: Policy, authority: str) -> Iterator[tuple[Ban, tuple[Binding, ...]]]:
    """Yield the bans of `authority` without bindings, and those bound to it with their bindings, in force or not."""
    for ban in policy.bans:
        if ban.authority == authority:
            yield ban, ()
        else:
            bindings = tuple(b for b in policy.bindings if b.ban == ban.number and b.authority == authority)
            if bindings:
                yield ban, bindings


def matched_tiers(service: Service, name: WireName) -> dict[int, WireName]:
    """Return, by tier number, the longest of its names that is `name` or, for `domains`, above it."""
    found: dict[int, WireName] = {}
    for tier in service.tiers:
        for suffix in suffixes(name):
            if suffix in tier.domains or (suffix == name and suffix in tier.hosts):
                found[tier.number] = suffix
                break
    return found


def _considered(
    policy: Policy,
    registered: Range,
    ban: Ban,
    bindings: tuple[Binding, ...],
    tiers: dict[int, WireName],
    at: Instant,
) -> Considered:
    suffix = max((tiers[number] for number in tiers if number in ban.tiers), key=len, default=b"")
    binding = next((candidate for candidate in bindings if candidate.period.holds(at)), None)
    exemption = next((e for e in policy.exemptions if _exempts(e, ban, registered, at)), None)
    suspension = next((s for s in policy.suspensions if _suspends(s, registered.authority, at)), None)
    term = held_term(ban.terms, at)
    if ban.mode_at(at) is Mode.OFF:
        standing = Standing.OFF
    elif bindings and binding is None:
        standing = Standing.NOT_BOUND
    elif term is None:
        standing = Standing.NOT_IN_TERM
    elif not covers(ban, registered):
        standing = Standing.NOT_COVERED
    elif not suffix:
        standing = Standing.OTHER_TIER
    elif suspension is not None:
        standing = Standing.SUSPENDED
    elif exemption is not None:
        standing = Standing.EXEMPTED
    else:
        standing = Standing.IN_FORCE
    shown = binding or (bindings[0] if bindings else None)
    return Considered(ban, bool(bindings), standing, suffix, shown, exemption, suspension, term)


def covers(ban: Ban, registered: Range) -> bool:
    """Return whether the ban covers the range's funding and audience."""
    return registered.funding in ban.funding and registered.audience in ban.audience


def held_term(terms: Sequence[DatedTerm], at: Instant) -> DatedTerm | None:
    """Return the term in force at `at`, whose formal decision is quoted; of several, the latest."""
    return latest_term([term for term in terms if term.period.holds(at)])


def latest_term(terms: Sequence[DatedTerm]) -> DatedTerm | None:
    """Return the term whose effect began last, of several the one recorded last, of equal ones the last of `terms`."""

    def began(term: DatedTerm) -> tuple[Instant, Instant]:
        recorded = term.period.recorded or 0
        return max(term.period.start, recorded), recorded

    # `max` would take the first of equal ones.
    return max(reversed(terms), key=began, default=None)


def next_exemption(policy: Policy, registered: Range, ban: Ban, at: Instant) -> tuple[Exemption, Instant] | None:
    """Return the next exemption of the ban in that range from `at` on, and when it begins. It is approved by `at`."""
    found = [
        (begins, exemption.number, exemption)
        for exemption in policy.exemptions
        if _names(exemption, ban, registered)
        and exemption.approved is not None
        and exemption.approved <= at
        and (begins := exemption_begins(exemption, at)) is not None
    ]
    if not found:
        return None
    begins, _, exemption = min(found, key=lambda item: item[:2])
    return exemption, begins


def _exempts(exemption: Exemption, ban: Ban, registered: Range, at: Instant) -> bool:
    return _names(exemption, ban, registered) and exemption_holds(exemption, at)


def _names(exemption: Exemption, ban: Ban, registered: Range) -> bool:
    return exemption.ban == ban.number and exemption.site == registered.site and registered.prefix in exemption.ranges


def _suspends(suspension: Suspension, authority: str | None, at: Instant) -> bool:
    """Return whether it applies to that authority's clients. None means clients in no range: it must be for all."""
    return suspension.authority in (None, authority) and suspension.period.holds(at)
