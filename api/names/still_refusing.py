"""What an allowed name does not change: bans of other authorities that bind this one. Pure."""

from collections.abc import Iterator, Sequence

from api.names.schemas import StillRefusedRead
from dnsfilter.policy.decide import bans_concerning
from dnsfilter.policy.model import Ban, Binding, Ground, Instant, Mode, Policy, WireName
from dnsfilter.policy.single_names import concerns


def still_refusing(
    policy: Policy, authority: str, name: WireName, exact: bool, now: Instant
) -> Sequence[StillRefusedRead]:
    """Return the bans that bind `authority` and refuse the name, or, unless `exact`, names below it."""
    return [
        StillRefusedRead(ban=f"{ban.authority}/{ban.service}", ground=held.ground, binding=held.number)
        for ban, bindings in _refusing(policy, authority, name, exact, now)
        for held in [next((one for one in bindings if one.period.holds(now)), None)]
        if held is not None
    ]


def has_own(policy: Policy, authority: str, name: WireName, exact: bool, now: Instant) -> bool:
    """Return whether a ban of the authority itself refuses the name, or, unless `exact`, names below it."""
    return any(ban.authority == authority for ban, _ in _refusing(policy, authority, name, exact, now))


def notes_on(found: Sequence[StillRefusedRead], authority: str, name: str, *, own: bool) -> Iterator[str]:
    """Yield what a person should know who has allowed a name: who still refuses it, or that nobody did."""
    for one in found:
        decided = one.ban.partition("/")[0]
        if one.ground is Ground.LAW:
            yield (
                f"{one.ban} still refuses {name}: it binds {authority} by law, which only {decided} can change. "
                f"Ask {decided}, or ask for an exemption of a range: dnsfilterctl exemption ask {one.ban} PREFIX"
            )
        else:
            yield (
                f"{one.ban} still refuses {name}: it binds {authority} by agreement with {decided}. "
                f"Ask {decided}, or withdraw: dnsfilterctl binding withdraw {one.binding}"
            )
    if not own and not found:
        yield (
            f"No ban of {authority} refuses {name} itself: this frees its answers that lead to refused names, "
            f"and keeps later bans of {authority} from refusing it."
        )


def _refusing(
    policy: Policy, authority: str, name: WireName, exact: bool, now: Instant
) -> Iterator[tuple[Ban, Sequence[Binding]]]:
    services = {service.slug: service for service in policy.services}
    for ban, bindings in bans_concerning(policy, authority):
        held = any(term.period.holds(now) for term in ban.terms)
        if held and ban.mode_at(now) is Mode.ENFORCE and concerns(services[ban.service], ban.tiers, name, exact):
            yield ban, bindings
