"""Notices about prohibited lists: one for many bans of a list, services to adopt, and new ones of its category."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from api.catalogue.repository import categories_in_force
from api.db.base import Json
from api.db.models import BanRow, ListLinkRow, NoticeRow, ProhibitedListRow
from api.lists import repository
from api.lists.state import is_over, not_taken_over, proposed
from api.notices.kinds import Due, Hour, Kind
from blocklists.catalogue import Catalogue
from dnsfilter.policy.prohibited_lists import LinkGround

_OF_ONE_BAN = ("ban", "number", "link", "services")
"""Facts in which the notices about bans of one list may differ."""


def due_list_additions(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice to each follower of a list for each act that brought services which it has not adopted."""
    link = ListLinkRow
    following = select(link).where(
        link.ground == str(LinkGround.FOLLOWING), not_(link.sql_period().has_ended(hour.now))
    )
    for found in session.scalars(following.order_by(link.number)).all():
        row = session.get_one(ProhibitedListRow, found.list_number)
        theirs, own = (repository.bans(session, slug) for slug in (row.authority, found.authority))
        waiting = [ban.service for ban in not_taken_over(row, theirs, own, hour.now)]
        brought: defaultdict[int, list[str]] = defaultdict(list)
        for version in row.versions:
            brought[max(version.recorded_s, found.recorded_s)] += [each for each in version.adds if each in waiting]
        for at, services in brought.items():
            if services and hour.fresh(at):
                facts = {**_of_list(row, services), "number": found.number, "at_s": at}
                yield Due(f"{Kind.LIST_ADDITION}/{found.number}/{at}", Kind.LIST_ADDITION, found.authority, facts)


def due_list_proposals(session: Session, hour: Hour, packaged: Catalogue) -> Iterator[Due]:
    """Yield a notice to the authority of each adopted list whose category got services, once for each service."""
    row, kind = ProhibitedListRow, Kind.LIST_PROPOSAL
    lists = session.scalars(select(row).where(row.category.is_not(None)).order_by(row.number)).all()
    categories = categories_in_force(session, packaged) if lists else {}
    for found in lists:
        services = proposed(found, categories)
        if not found.versions or not services or is_over(found, repository.bans(session, found.authority), hour.now):
            continue
        made = _earlier_proposals(session, found)
        # Keep the earlier notices from being swept: without them, their services would be reported again.
        yield from made
        known = {service for one in made for service in one.facts["services"]}
        fresh = [service for service in services if service not in known]
        if fresh:
            facts = {"list": found.reference, "title": found.title, "category": found.category, "services": fresh}
            yield Due(f"{kind}/{found.number}/{fresh[0]}", kind, found.authority, facts)


def _earlier_proposals(session: Session, found: ProhibitedListRow) -> Sequence[Due]:
    row, kind = NoticeRow, Kind.LIST_PROPOSAL
    of_list = select(row).where(row.kind == str(kind), row.facts["list"].as_string() == found.reference)
    return [Due(one.key, kind, one.authority, one.facts) for one in session.scalars(of_list)]


def grouped(session: Session, found: Sequence[Due]) -> list[Due]:
    """Return the notices, with one in place of those that say the same about several bans of a list.

    Its key is that of the ban with the lowest number. The list must be that of the bans' authority.
    """
    lists = {row.reference: row for row in session.scalars(select(ProhibitedListRow)).all()}
    listed = _listed(session, lists) if lists else {}
    groups: defaultdict[tuple[object, ...], list[Due]] = defaultdict(list)
    for one in found:
        reference = listed.get(str(one.facts.get("ban")))
        if reference is None:
            groups[one.key,].append(one)
            continue
        rest = tuple(sorted((key, str(value)) for key, value in one.facts.items() if key not in _OF_ONE_BAN))
        groups[one.kind, one.authority, reference, rest].append(one)
    return [_joined(lists, listed, group) for group in groups.values()]


def _joined(lists: Mapping[str, ProhibitedListRow], listed: Mapping[str, str], group: Sequence[Due]) -> Due:
    first = group[0]
    if len(group) == 1:
        return first
    row = lists[listed[str(first.facts["ban"])]]
    services = [str(one.facts["ban"]).partition("/")[2] for one in group]
    facts = {**first.facts, **_of_list(row, services)}
    if "link" in facts:
        facts["number"] = facts.pop("link")
    return Due(first.key, first.kind, first.authority, facts, first.later_keys)


def _listed(session: Session, lists: Mapping[str, ProhibitedListRow]) -> Mapping[str, str]:
    """Return the list of each ban that a list of its own authority adopted, by references."""
    ban = BanRow
    rows = session.execute(
        select(ban.authority, ban.service, ban.prohibited_list).where(ban.prohibited_list.in_(lists))
    )
    return {
        f"{row.authority}/{row.service}": row.prohibited_list
        for row in rows
        if lists[row.prohibited_list].authority == row.authority
    }


def _of_list(row: ProhibitedListRow, services: Sequence[str]) -> Json:
    return {"ban": row.reference, "title": row.title, "services": list(services)}
