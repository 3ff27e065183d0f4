"""In how many ranges a ban applies. Pure."""

from dataclasses import dataclass

from dnsfilter.policy.decide import covers, exempts
from dnsfilter.policy.model import Instant, Policy


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


def ban_reach(policy: Policy, number: int, at: Instant) -> BanReach:
    """Return the reach of the ban with that number. Raise StopIteration if the policy does not have it."""
    ban = next(each for each in policy.bans if each.number == number)
    exemptions = [each for each in policy.exemptions if each.ban == number]
    bound = {each.authority for each in policy.bindings if each.ban == number and each.period.holds(at)}
    own = [each for each in policy.ranges if each.authority == ban.authority]
    covered = [each for each in own if covers(ban, each)]
    return BanReach(
        ranges=len(covered),
        exempted=sum(any(exempts(one, ban, each, at) for one in exemptions) for each in covered),
        uncovered=len(own) - len(covered),
        bound=len(bound),
        bound_ranges=sum(each.authority in bound and covers(ban, each) for each in policy.ranges),
    )
