"""What is on a prohibited list, and which bans its acts concern."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from api.bans.state import has_lapsed
from api.db.models import BanRow, ListLinkRow, ProhibitedListRow
from api.errors import Invalid, did_you_mean
from api.lists.schemas import LinkState
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class ListedTime:
    """A time in which a service was on a list: from the version that added it to the one that took it off."""

    version: int
    since: Instant
    until: Instant | None


def is_own(row: ProhibitedListRow, ban: BanRow | None, version: int | None) -> bool:
    """Return whether the list adopted the ban with that version, so that its acts concern it.

    A ban that an earlier version adopted is not: the service was taken off, and the authority banned it alone since.
    """
    if ban is None or ban.authority != row.authority:
        return False
    return (ban.prohibited_list, ban.list_version) == (row.reference, version)


def names_of(row: ProhibitedListRow) -> tuple[str, ...]:
    """Return the references by which bans remember the list, also those that it had before mergers."""
    return (row.reference, *row.formerly)


def live_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> list[BanRow]:
    """Return the bans that the list adopted for its services, and that are in force or planned."""
    return [ban for ban in own_bans(row, bans) if not has_lapsed(ban.terms, now)]


def own_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow]) -> list[BanRow]:
    """Return the bans that the list adopted for its services."""
    found = ((bans.get(service), version) for service, version in row.service_versions.items())
    return [ban for ban, version in found if ban is not None and is_own(row, ban, version)]


def adopted_bans(row: ProhibitedListRow, followers: Mapping[str, BanRow]) -> list[BanRow]:
    """Return the bans that a follower has adopted from the list, for services on it.

    Leave out those that an act has ended, unless acts have ended all of them.
    """
    names, on = names_of(row), row.service_versions
    return _goes_on([ban for ban in followers.values() if ban.prohibited_list in names and ban.service in on])


def renewable_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow]) -> list[BanRow]:
    """Return the list's own bans without those that an act has ended, unless acts have ended all of them."""
    return _goes_on(own_bans(row, bans))


def _goes_on(bans: list[BanRow]) -> list[BanRow]:
    return [ban for ban in bans if not ended_by_act(ban)] or bans


def ended_by_act(ban: BanRow) -> bool:
    """Return whether an act ended the last term of the ban. Earlier terms do not count: it was renewed since."""
    last = max(ban.decided_terms, key=lambda term: until(term.period.end), default=None)
    return last is None or last.ended_s is not None


def is_over(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> bool:
    """Return whether all bans that the list adopted have lapsed. One that adopted none is not over."""
    own = own_bans(row, bans)
    return bool(own) and all(has_lapsed(ban.terms, now) for ban in own)


def listed_times(row: ProhibitedListRow) -> Mapping[str, Sequence[ListedTime]]:
    """Return when each service was on an adopted list, in order: also those that a later version took off."""
    found: dict[str, list[ListedTime]] = {}
    for version in row.versions:
        for service in version.adds:
            found.setdefault(service, []).append(ListedTime(version.version, version.recorded_s, None))
        for service in version.removes:
            found[service][-1] = replace(found[service][-1], until=version.recorded_s)
    return found


def demand_category(categories: Mapping[str, str], category: str, location: str) -> list[str]:
    """Return the services of a category, by slug. Raise `Invalid` if no service is in it."""
    found = in_category(categories, category)
    if not found:
        known = sorted(set(categories.values()))
        hint = did_you_mean(category, known) or f" Categories are {', '.join(known)}."
        raise Invalid.at(location, f'No category "{category}".{hint}')
    return found


def in_category(categories: Mapping[str, str], category: str) -> list[str]:
    """Return the services of a category, by slug. `categories` has that of each service."""
    return sorted(service for service, its in categories.items() if its == category)


def proposed(row: ProhibitedListRow, categories: Mapping[str, str]) -> list[str]:
    """Return the services of the list's category that nobody has decided about: no version had them, none declined."""
    if row.category is None:
        return []
    known = set(row.draft).union(row.declined, *(version.adds for version in row.versions))
    return [service for service in in_category(categories, row.category) if service not in known]


def listed_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> list[BanRow]:
    """Return the authority's live bans on services of the list, also those that it had before."""
    found = (bans.get(service) for service in row.service_versions)
    return [ban for ban in found if ban is not None and not has_lapsed(ban.terms, now)]


def not_taken_over(
    row: ProhibitedListRow, theirs: Mapping[str, BanRow], followers: Mapping[str, BanRow], now: Instant
) -> list[BanRow]:
    """Return the live bans of the list that a follower has not adopted.

    A ban that the follower took over from this version and has ended since is not proposed again.
    """
    return [ban for ban in listed_bans(row, theirs, now) if _is_missing(row, ban, followers.get(ban.service), now)]


def _is_missing(row: ProhibitedListRow, ban: BanRow, own: BanRow | None, now: Instant) -> bool:
    if own is None:
        return True
    taken = own.prohibited_list in names_of(row) and (own.list_version or 0) >= row.service_versions[ban.service]
    return has_lapsed(own.terms, now) and not taken


def link_state(link: ListLinkRow, now: Instant) -> LinkState:
    """Return the state of a link at `now`."""
    if link.period.has_ended(now):
        return LinkState.ENDED
    return LinkState.IN_FORCE if link.period.holds(now) else LinkState.PLANNED
