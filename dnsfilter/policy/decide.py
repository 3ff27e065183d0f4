"""The decision of a policy for one client, one name and one instant: the readable oracle.

Nothing here is fast, and the compiled snapshot shares only its values. It states the rules once and plainly, so that
faster implementations can be compared with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

from dnsfilter.policy.exempted_times import exemption_begins, exemption_holds
from dnsfilter.policy.fleets import holds_client
from dnsfilter.policy.model import (
    Address,
    AllowedName,
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
    Tier,
    WireName,
)
from dnsfilter.policy.single_names import covers as is_name_covered
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
    ALLOWED = "allowed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Considered:
    """One ban that could apply to the query. `suffix` is the longest matching name of its tiers, or empty.

    For a ban that enforces, names that it refuses come before pending ones. `term` is the one in force. Its formal
    decision is quoted. `allowed` frees the name from the ban. `pending_until` is when a pending name is first refused.
    `at_once`: the name is pending, but its binding asks for new names at once.
    """

    ban: Ban
    bound: bool
    standing: Standing
    suffix: WireName
    binding: Binding | None = None
    exemption: Exemption | None = None
    suspension: Suspension | None = None
    term: Term | None = None
    allowed: AllowedName | None = None
    pending_until: Instant | None = None
    at_once: bool = False

    @property
    def applies(self) -> bool:
        """Whether the ban refuses or monitors the query."""
        return self.standing in (Standing.IN_FORCE, Standing.PENDING)

    @property
    def enforces(self) -> bool:
        """Whether the ban refuses the query."""
        return self.standing is Standing.IN_FORCE and self.ban.mode is Mode.ENFORCE


ASIDE = frozenset({Standing.EXEMPTED, Standing.SUSPENDED, Standing.ALLOWED})
"""The standings that count as exempted, if no ban applies."""


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
    considered = consider(policy, registered, name, at) if registered is not None else ()
    return decided(policy, registered, considered, at)


def decided(policy: Policy, registered: Range | None, considered: Sequence[Considered], at: Instant) -> Decision:
    """Return the decision for a client in the range `registered`, for which these bans were considered."""
    if registered is None:
        return Decision(Verdict.PASS, None, admitted=any(_suspends(s, None, at) for s in policy.suspensions))
    standing = [item for item in considered if item.applies]
    monitored = frozenset(item.ban.service for item in standing if not item.enforces)
    if not standing:
        exempted = frozenset(item.ban.service for item in considered if item.standing in ASIDE)
        return Decision(Verdict.PASS, registered.authority, exempted=exempted)
    winner = min(standing, key=precedence)
    verdict = Verdict.REFUSE if winner.enforces else Verdict.MONITOR
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
    return (not item.enforces, item.bound, -len(item.suffix), item.ban.number)


def range_of(policy: Policy, site: str, client: Address) -> Range | None:
    """Return the most specific range of `site` that contains `client`, or None."""
    holding = ranges_of(policy, site, client)
    return max(holding, key=lambda candidate: candidate.prefix.prefixlen, default=None)


def ranges_of(policy: Policy, site: str, client: Address) -> Iterator[Range]:
    """Return the ranges of `site` that hold `client`, in no order."""
    return (
        candidate for candidate in policy.ranges if candidate.site == site and holds_client(candidate.prefix, client)
    )


def consider(policy: Policy, registered: Range, name: WireName, at: Instant) -> tuple[Considered, ...]:
    """Return every ban of, or bound in, the range's authority on a service that `name` belongs to, by number."""
    services = {service.slug: service for service in policy.services}
    found = []
    for ban, bindings in bans_concerning(policy, registered.authority):
        if any(_matched(services[ban.service], name)):
            found.append(_considered(policy, registered, ban, bindings, services[ban.service], name, at))
    return tuple(sorted(found, key=lambda item: item.ban.number))


def standings(policy: Policy, registered: Range, at: Instant) -> Iterator[Considered]:
    """Yield each ban that concerns a range, considered for a name in its own lowest tier: a range has no name.

    Names that are not pending come first, and allowed names do not matter.
    """
    services = {service.slug: service for service in policy.services}
    for ban, bindings in bans_concerning(policy, registered.authority):
        tiers = [tier for tier in services[ban.service].tiers if tier.number in ban.tiers]
        tiers.sort(key=lambda tier: tier.is_pending(at))
        name = next((min(tier.domains or tier.hosts) for tier in tiers if tier.domains or tier.hosts), None)
        if name is not None:
            every = replace(policy, allowed=())
            yield _considered(every, registered, ban, bindings, services[ban.service], name, at)


def bans_concerning(policy: Policy, authority: str) -> Iterator[tuple[Ban, tuple[Binding, ...]]]:
    """Yield the bans of `authority` without bindings, and those bound to it with their bindings, in force or not."""
    bindings = [binding for binding in policy.bindings if binding.authority == authority]
    bound = {binding.ban for binding in bindings}
    for ban in policy.bans:
        if ban.authority == authority:
            yield ban, ()
        elif ban.number in bound:
            yield ban, tuple(binding for binding in bindings if binding.ban == ban.number)


def matched_tiers(service: Service, name: WireName) -> dict[int, WireName]:
    """Return, by tier number, the longest of its names that is `name` or, for `domains`, above it."""
    found: dict[int, WireName] = {}
    for tier, suffix in _matched(service, name):
        found[tier.number] = max(found.get(tier.number, b""), suffix, key=len)
    return found


def _matched(service: Service, name: WireName) -> Iterator[tuple[Tier, WireName]]:
    """Yield each of the service's tiers that `name` belongs to, with the longest of its names."""
    for tier in service.tiers:
        for suffix in suffixes(name):
            if suffix in tier.domains or (suffix == name and suffix in tier.hosts):
                yield tier, suffix
                break


def _considered(
    policy: Policy,
    registered: Range,
    ban: Ban,
    bindings: tuple[Binding, ...],
    service: Service,
    name: WireName,
    at: Instant,
) -> Considered:
    hits = [(tier, suffix) for tier, suffix in _matched(service, name) if tier.number in ban.tiers]
    holding = [candidate for candidate in bindings if candidate.period.holds(at)]
    demanding = next((candidate for candidate in holding if candidate.new_names_at_once), None)
    binding = demanding or next(iter(holding), None)
    refused = [suffix for tier, suffix in hits if demanding or not tier.is_pending(at)]
    is_pending = ban.mode is Mode.ENFORCE and not refused
    names = refused if ban.mode is Mode.ENFORCE and refused else [suffix for _, suffix in hits]
    suffix = max(names, key=len, default=b"")
    at_once = ban.mode is Mode.ENFORCE and bool(refused) and all(tier.is_pending(at) for tier, _ in hits)
    exemption = next((e for e in policy.exemptions if exempts(e, ban, registered, at)), None)
    suspension = next((s for s in policy.suspensions if _suspends(s, registered.authority, at)), None)
    allowed = None if bindings else next((a for a in policy.allowed if _allows(a, ban.authority, name, at)), None)
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
    elif allowed is not None:
        standing = Standing.ALLOWED
    elif is_pending:
        standing = Standing.PENDING
    else:
        standing = Standing.IN_FORCE
    shown = binding or (bindings[0] if bindings else None)
    instants = [tier.enforced_from for tier, _ in hits if tier.enforced_from is not None]
    pending_until = min(instants, default=None) if is_pending else None
    return Considered(
        ban, bool(bindings), standing, suffix, shown, exemption, suspension, term, allowed, pending_until, at_once
    )


def _allows(allowed: AllowedName, authority: str, name: WireName, at: Instant) -> bool:
    is_covered = is_name_covered(allowed.name, allowed.exact, name)
    return allowed.authority == authority and is_covered and allowed.period.holds(at)


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


def exempts(exemption: Exemption, ban: Ban, registered: Range, at: Instant) -> bool:
    """Return whether the exemption frees the range from the ban at that instant."""
    return _names(exemption, ban, registered) and exemption_holds(exemption, at)


def _names(exemption: Exemption, ban: Ban, registered: Range) -> bool:
    return exemption.ban == ban.number and exemption.site == registered.site and registered.prefix in exemption.ranges


def _suspends(suspension: Suspension, authority: str | None, at: Instant) -> bool:
    """Return whether it applies to that authority's clients. None means clients in no range: it must be for all."""
    return suspension.authority in (None, authority) and suspension.period.holds(at)
