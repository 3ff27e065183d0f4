"""Explain a decision: every ban considered for a query, why it applies or not, and why the winner won."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.decide import (
    Considered,
    Decision,
    Standing,
    consider,
    covers,
    decided,
    matched_tiers,
    range_of,
)
from dnsfilter.policy.instants import DEFAULT_ZONE, at_words, local_time
from dnsfilter.policy.model import Address, AllowedName, Instant, Policy, Range, WireName
from dnsfilter.wire.names import name_text


class DecisionCause(StrEnum):
    """What a decision rests on: the ban that decides, or why none does."""

    UNREGISTERED = "unregistered"
    NO_SERVICE = "no_service"
    NO_BAN = "no_ban"
    BAN = "ban"
    SUSPENDED = "suspended"
    EXEMPTED = "exempted"
    ALLOWED = "allowed"
    OFF = "off"
    NOT_IN_FORCE = "not_in_force"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its reasons: the range, the services of the name, and each ban considered.

    `about` is the ban of `cause`, if it is about one.
    """

    decision: Decision
    range: Range | None
    services: tuple[str, ...]
    considered: tuple[Considered, ...]
    cause: DecisionCause
    about: Considered | None
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
    registered = range_of(policy, site, client)
    services = tuple(service.slug for service in policy.services if matched_tiers(service, name))
    considered = consider(policy, registered, name, at) if registered is not None else ()
    decision = decided(policy, registered, considered, at)
    zone = _zone(policy, registered)
    off = [item for item in considered if registered is not None and _only_off(item, registered, at)]
    cause, about = _cause(decision, services, considered, off)
    words = list(_off_words(zone, off, at, off_since or {}))
    reason = _reason(decision, services, considered, cause, about, words, zone)
    return Explanation(decision, registered, services, considered, cause, about, reason)


def _cause(
    decision: Decision, services: tuple[str, ...], considered: tuple[Considered, ...], off: Sequence[Considered]
) -> tuple[DecisionCause, Considered | None]:
    """Return what the decision rests on. `off` are the bans that would apply in another mode."""
    if decision.authority is None:
        return DecisionCause.UNREGISTERED, None
    if not services:
        return DecisionCause.NO_SERVICE, None
    if not considered:
        return DecisionCause.NO_BAN, None
    by_number = {item.ban.number: item for item in considered}
    if decision.ban is not None:
        return DecisionCause.BAN, by_number[decision.ban]
    for cause, standing in (
        (DecisionCause.SUSPENDED, Standing.SUSPENDED),
        (DecisionCause.EXEMPTED, Standing.EXEMPTED),
        (DecisionCause.ALLOWED, Standing.ALLOWED),
    ):
        for item in considered:
            if item.standing is standing:
                return cause, item
    return (DecisionCause.OFF, off[0]) if off else (DecisionCause.NOT_IN_FORCE, None)


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
    time_zone: str, off: Sequence[Considered], at: Instant, off_since: Mapping[int, Instant]
) -> Iterator[str]:
    """Yield each ban that would apply to the query in another mode, and since when it is off.

    Times are local times of the client's authority. The day is left out if it is that of `at`.
    """
    for item in off:
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
    cause: DecisionCause,
    about: Considered | None,
    off: Sequence[str],
    time_zone: str,
) -> str:
    match cause:
        case DecisionCause.UNREGISTERED:
            return unregistered_text(decision)
        case DecisionCause.NO_SERVICE:
            return "the name belongs to no service of the catalogue"
        case DecisionCause.NO_BAN:
            return f"no ban on {', '.join(services)} concerns {decision.authority}"
        case DecisionCause.NOT_IN_FORCE:
            return "no ban is in force here for this name"
        case DecisionCause.OFF:
            return f"not refused: {', '.join(off)}"
    assert about is not None
    return (
        _decided(about, considered, time_zone)
        if cause is DecisionCause.BAN
        else f"not refused: {_aside(about, time_zone)}"
    )


def _decided(winner: Considered, considered: tuple[Considered, ...], time_zone: str) -> str:
    why = _why(winner, considered)
    if winner.pending_until is not None:
        until = at_words(winner.pending_until, time_zone)
        why = f"{name_text(winner.suffix)} is pending, and only monitored until {until}"
    if winner.enforces and winner.at_once and winner.binding is not None:
        pending, number = name_text(winner.suffix), winner.binding.number
        why += f"; {pending} is pending elsewhere, and binding {number} refuses it at once"
    return f"ban {winner.ban.number} of {winner.ban.authority} on {winner.ban.service}: {why}"


def _aside(item: Considered, time_zone: str) -> str:
    """Return what sets a ban aside: a suspension, an exemption or an allowed name."""
    if item.suspension is not None:
        return f"bans are suspended for {item.suspension.authority or 'everybody'}"
    if item.exemption is not None:
        return f"exemption {item.exemption.number} from {item.ban.authority}/{item.ban.service} holds"
    assert item.allowed is not None
    return allowed_words(item.allowed, time_zone)


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
