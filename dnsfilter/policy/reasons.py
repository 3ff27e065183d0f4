"""Explain a decision: every ban considered for a query, why it applies or not, and why the winner won."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.decide import (
    Considered,
    Decision,
    Standing,
    consider,
    covers,
    decide,
    matched_tiers,
    range_of,
)
from dnsfilter.policy.instants import DEFAULT_ZONE, at_words, local_time
from dnsfilter.policy.model import Address, AllowedName, Instant, Policy, Range, WireName
from dnsfilter.wire.names import name_text


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its reasons: the range, the services of the name, and each ban considered."""

    decision: Decision
    range: Range | None
    services: tuple[str, ...]
    considered: tuple[Considered, ...]
    reason: str


def explain(
    policy: Policy,
    site: str,
    client: Address,
    name: WireName,
    at: Instant,
    off_since: Mapping[int, Instant] | None = None,
) -> Explanation:
    """Return the result of `decide`, with every own or bound ban of the client's authority on the name's services.

    `off_since` has the time since which bans are off, by number, if known.
    """
    decision = decide(policy, site, client, name, at)
    registered = range_of(policy, site, client)
    services = tuple(service.slug for service in policy.services if matched_tiers(service, name))
    considered = consider(policy, registered, name, at) if registered is not None else ()
    zone = _zone(policy, registered)
    off = [] if registered is None else list(_off_words(zone, registered, considered, at, off_since or {}))
    return Explanation(decision, registered, services, considered, _reason(decision, services, considered, off, zone))


def _zone(policy: Policy, registered: Range | None) -> str:
    """Return the time zone of the client's authority."""
    zones = (entry.time_zone for entry in policy.authorities if registered and entry.slug == registered.authority)
    return next(zones, DEFAULT_ZONE)


def allowed_words(allowed: AllowedName, time_zone: str) -> str:
    """Return who allows a name, since when, until when, and why."""
    below = "" if allowed.exact else " and all below it"
    words = f"{allowed.authority} allows {name_text(allowed.name)}{below}"
    words += f" since {at_words(allowed.period.begins or allowed.start, time_zone)}"
    words += "" if allowed.end is None else f", until {at_words(allowed.end, time_zone)}"
    return f"{words}: {allowed.reason}" if allowed.reason else words


def unregistered_text(decision: Decision) -> str:
    """Return the reason for a client in no range."""
    served = ", and is answered because all are suspended" if decision.admitted else ""
    return f"the client is in no registered range{served}"


def _only_off(item: Considered, registered: Range, at: Instant) -> bool:
    """Return whether the ban would apply to the query in another mode."""
    if item.standing is not Standing.OFF or item.term is None or not item.suffix or not covers(item.ban, registered):
        return False
    return item.binding is None or item.binding.period.holds(at)


def _off_words(
    time_zone: str,
    registered: Range,
    considered: tuple[Considered, ...],
    at: Instant,
    off_since: Mapping[int, Instant],
) -> Iterator[str]:
    """Yield each ban that would apply to the query in another mode, and since when it is off.

    Times are local times of the client's authority. The day is left out if it is that of `at`.
    """
    for item in considered:
        if not _only_off(item, registered, at):
            continue
        words, since = f"{item.ban.authority}/{item.ban.service} is off", off_since.get(item.ban.number)
        if since is None:
            yield words
        elif local_day(since, time_zone) == local_day(at, time_zone):
            yield f"{words} since {local_time(since, time_zone):%H:%M}"
        else:
            yield f"{words} since {at_words(since, time_zone)}"


def _reason(
    decision: Decision,
    services: tuple[str, ...],
    considered: tuple[Considered, ...],
    off: Sequence[str],
    time_zone: str,
) -> str:
    if decision.authority is None:
        return unregistered_text(decision)
    if not services:
        return "the name belongs to no service of the catalogue"
    if not considered:
        return f"no ban on {', '.join(services)} concerns {decision.authority}"
    winner = next((item for item in considered if item.ban.number == decision.ban), None)
    if winner is None:
        return _aside(considered, off, time_zone)
    why = _why(winner, considered)
    if winner.pending_until is not None:
        until = at_words(winner.pending_until, time_zone)
        why = f"{name_text(winner.suffix)} is pending, and only monitored until {until}"
    if winner.enforces and winner.at_once and winner.binding is not None:
        pending, number = name_text(winner.suffix), winner.binding.number
        why += f"; {pending} is pending elsewhere, and binding {number} refuses it at once"
    return f"ban {winner.ban.number} of {winner.ban.authority} on {winner.ban.service}: {why}"


def _aside(considered: tuple[Considered, ...], off: Sequence[str], time_zone: str) -> str:
    """Return why no ban decides: a suspension, an exemption, an allowed name, or bans that are off."""
    for item in considered:
        if item.standing is Standing.SUSPENDED and item.suspension is not None:
            return f"not refused: bans are suspended for {item.suspension.authority or 'everybody'}"
    for item in considered:
        if item.standing is Standing.EXEMPTED and item.exemption is not None:
            return f"not refused: exemption {item.exemption.number} from {item.ban.authority}/{item.ban.service} holds"
    for item in considered:
        if item.standing is Standing.ALLOWED and item.allowed is not None:
            return f"not refused: {allowed_words(item.allowed, time_zone)}"
    return f"not refused: {', '.join(off)}" if off else "no ban is in force here for this name"


def _why(winner: Considered, considered: tuple[Considered, ...]) -> str:
    rivals = [item for item in considered if item.applies and item is not winner]
    if not rivals:
        return "the only one in force here"
    if winner.enforces and not any(item.enforces for item in rivals):
        return "enforcing beats monitoring"
    same_mode = [item for item in rivals if item.enforces == winner.enforces]
    if not winner.bound and all(item.bound for item in same_mode):
        return "the authority's own decision comes before a bound one"
    peers = [item for item in same_mode if item.bound == winner.bound]
    if all(len(item.suffix) < len(winner.suffix) for item in peers):
        return "it names the longest suffix"
    return "it has the lowest number"
