"""In how many ranges a ban applies, and in which others with another scope. Pure."""

from dataclasses import dataclass, replace

from dnsfilter.policy.decide import covers, exempts
from dnsfilter.policy.model import Audience, Ban, Funding, Instant, Policy, Range


@dataclass(frozen=True, slots=True)
class BanReach:
    """Numbers of ranges in which a ban applies while it refuses and a term is in force, without suspensions.

    `ranges` are those of its authority that it covers, `exempted` those of them that are exempted, and `uncovered` the
    others of its authority. `bound` counts the other authorities in which it applies, and `bound_ranges` their ranges.
    """

    ranges: int
    exempted: int
    uncovered: int
    bound: int
    bound_ranges: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Ranges that another scope of a ban covers, or no longer: those of its authority, and how many of bound ones."""

    own: tuple[Range, ...]
    bound_ranges: int


def ban_reach(policy: Policy, number: int, at: Instant) -> BanReach:
    """Return the reach of the ban with that number. Raise StopIteration if the policy does not have it."""
    ban = _numbered(policy, number)
    exemptions = [each for each in policy.exemptions if each.ban == number]
    bound = _bound(policy, number, at)
    own = [each for each in policy.ranges if each.authority == ban.authority]
    covered = [each for each in own if covers(ban, each)]
    return BanReach(
        ranges=len(covered),
        exempted=sum(any(exempts(one, ban, each, at) for one in exemptions) for each in covered),
        uncovered=len(own) - len(covered),
        bound=len(bound),
        bound_ranges=sum(each.authority in bound and covers(ban, each) for each in policy.ranges),
    )


def moved_ranges(
    policy: Policy, number: int, funding: frozenset[Funding], audience: frozenset[Audience], at: Instant
) -> tuple[Moved, Moved]:
    """Return the ranges that the ban with that number would gain with that scope, and those that it would lose."""
    ban, bound = _numbered(policy, number), _bound(policy, number, at)
    wanted = replace(ban, funding=funding, audience=audience)

    def only(one: Ban, other: Ban) -> Moved:
        found = [each for each in policy.ranges if covers(one, each) and not covers(other, each)]
        own = tuple(each for each in found if each.authority == ban.authority)
        return Moved(own, sum(each.authority in bound for each in found))

    return only(wanted, ban), only(ban, wanted)


def _numbered(policy: Policy, number: int) -> Ban:
    return next(each for each in policy.bans if each.number == number)


def _bound(policy: Policy, number: int, at: Instant) -> set[str]:
    """Return the authorities that the ban binds at `at`."""
    return {each.authority for each in policy.bindings if each.ban == number and each.period.holds(at)}
