"""What is on a prohibited list, and which bans its acts concern."""

from collections.abc import Iterable, Mapping

from api.bans.state import has_lapsed
from api.db.models import BanRow, ProhibitedListRow
from blocklists.catalogue import Catalogue
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def services_on(row: ProhibitedListRow) -> Mapping[str, int]:
    """Return the services on an adopted list, each with the version that added it."""
    return row.service_versions


def is_own(row: ProhibitedListRow, ban: BanRow | None, version: int | None) -> bool:
    """Return whether the list adopted the ban with that version, so that its acts concern it.

    A ban that an earlier version adopted is not: the service was taken off, and the authority banned it alone since.
    """
    if ban is None or ban.authority != row.authority:
        return False
    return (ban.prohibited_list, ban.list_version) == (row.reference, version)


def live_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> list[BanRow]:
    """Return the bans that the list adopted for its services, and that are in force or planned."""
    return [ban for ban in own_bans(row, bans) if not has_lapsed(ban.terms, now)]


def own_bans(row: ProhibitedListRow, bans: Mapping[str, BanRow]) -> list[BanRow]:
    """Return the bans that the list adopted for its services."""
    found = ((bans.get(service), version) for service, version in services_on(row).items())
    return [ban for ban, version in found if ban is not None and is_own(row, ban, version)]


def ended_by_act(ban: BanRow) -> bool:
    """Return whether an act ended the last term of the ban. Earlier terms do not count: it was renewed since."""
    last = max(ban.decided_terms, key=lambda term: until(term.period.end), default=None)
    return last is None or last.ended_s is not None


def is_over(row: ProhibitedListRow, bans: Mapping[str, BanRow], now: Instant) -> bool:
    """Return whether all bans that the list adopted have lapsed. One that adopted none is not over."""
    own = own_bans(row, bans)
    return bool(own) and all(has_lapsed(ban.terms, now) for ban in own)


def in_category(catalogue: Catalogue, category: str) -> list[str]:
    """Return the services of a category, by slug."""
    return [entry.slug for entry in catalogue.entries if str(entry.category) == category]


def proposed(row: ProhibitedListRow, in_its_category: Iterable[str]) -> list[str]:
    """Return the services of the list's category that no version had, so that nobody has decided about them."""
    known = set(row.draft).union(*(version.adds for version in row.versions))
    return [service for service in in_its_category if service not in known]
