"""What is wrong with the fleets of a policy: their prefixes, labels and names."""

from collections.abc import Iterator

from dnsfilter.errors import Problem
from dnsfilter.policy.bounds import FIRST_YEAR, LAST_INSTANT, LAST_YEAR
from dnsfilter.policy.fleets import FleetName, in_block, is_fleet, token_fault
from dnsfilter.policy.model import Policy, Range


def fleet_range_problems(location: str, entry: Range) -> Iterator[Problem]:
    """Yield what is wrong with a range as a fleet. Other ranges have no such problem."""
    if not in_block(entry.prefix):
        return
    if not is_fleet(entry.prefix):
        yield Problem(f"{location}.prefix", f"{entry.prefix} lies in 100::/64, where each fleet has a /96")
    elif not entry.label:
        yield Problem(f"{location}.label", "is empty: a fleet has no address, so name it as people know it")


def fleet_problems(policy: Policy) -> Iterator[Problem]:
    """Yield what is wrong with the names of fleets. Locations are like `fleet_name[2].token`."""
    if not policy.fleet_names:
        return
    fleets = {(entry.site, entry.prefix) for entry in policy.ranges if is_fleet(entry.prefix)}
    seen: set[str] = set()
    for index, name in enumerate(policy.fleet_names):
        location = f"fleet_name[{index}]"
        fault = token_fault(name.token)
        if fault is not None:
            yield Problem(f"{location}.token", f"{name.token!r} {fault}")
        if name.token in seen:
            yield Problem(f"{location}.token", f"{name.token!r} is used twice: each fleet has names of its own")
        seen.add(name.token)
        if (name.site, name.prefix) not in fleets:
            yield Problem(location, f"there is no fleet {name.prefix} at site {name.site!r}")
        yield from _interval(location, name)


def _interval(location: str, name: FleetName) -> Iterator[Problem]:
    for key, at in (("from", name.start), ("until", name.end)):
        if at is not None and not 0 <= at <= LAST_INSTANT:
            yield Problem(f"{location}.{key}", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    if name.end is not None and name.end <= name.start:
        yield Problem(f"{location}.until", "must lie after the start")
