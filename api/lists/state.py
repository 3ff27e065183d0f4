"""What is on a prohibited list, and which bans its acts concern."""

from collections.abc import Iterable, Mapping

from api.bans.state import has_lapsed
from api.db.models import BanRow, ProhibitedListRow
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import Instant


def services_on(row: ProhibitedListRow) -> Mapping[str, int]:
    """Return the services on an adopted list, each with the version that added it."""
    found: dict[str, int] = {}
    for version in row.versions:
        found |= dict.fromkeys(version.adds, version.version)
        for service in version.removes:
            found.pop(service, None)
    return found


def is_own(row: ProhibitedListRow, ban: BanRow | None) -> bool:
    """Return whether the list adopted the ban, so that its acts concern it."""
    return ban is not None and ban.authority == row.authority and ban.prohibited_list == row.reference


def live_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> list[BanRow]:
    """Return the bans that the list adopted for its services, and that are in force or planned."""
    return [ban for ban in own_bans(row, bans) if not has_lapsed(ban.terms, now)]


def own_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow]) -> list[BanRow]:
    """Return the bans that the list adopted for its services."""
    found = (bans.get(service) for service in services_on(row))
    return [ban for ban in found if ban is not None and is_own(row, ban)]


def ended_by_act(ban: BanRow) -> bool:
    """Return whether an act ended the ban, not its last term."""
    return any(term.ended_s is not None for term in ban.terms)


def in_category(catalogue: Catalogue, category: str) -> list[str]:
    """Return the services of a category, by slug."""
    return [entry.slug for entry in catalogue.entries if str(entry.category) == category]


def proposed(row: ProhibitedListRow, in_its_category: Iterable[str]) -> list[str]:
    """Return the services of the list's category that no version had, so that nobody has decided about them."""
    known = set(row.draft).union(*(version.adds for version in row.versions))
    return [service for service in in_its_category if service not in known]
