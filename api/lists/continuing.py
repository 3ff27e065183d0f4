"""Continue prohibited lists and their links with the successor of a merged authority."""

from collections.abc import Mapping
from itertools import chain, count

from sqlalchemy.orm import Session

from api.db.models import ListLinkRow, ListVersionRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.lists import repository
from api.lists.links import add, set_new_names
from api.lists.reading import shown_list
from api.lists.state import names_of
from dnsfilter.policy.intervals import FOREVER, Interval, difference, span, union, until
from dnsfilter.policy.prohibited_lists import LinkGround, ListLink

_STRENGTH: Mapping[str, int] = {LinkGround.FOLLOWING: 0, LinkGround.AGREEMENT: 1, LinkGround.LAW: 2}
_MAX_SLUG = 63


def continue_list(unit: UnitOfWork, row: ProhibitedListRow, successor: str) -> ProhibitedListRow:
    """Give the successor a list with the services and versions of a merged authority's list, and record that."""
    made = ProhibitedListRow(
        authority=successor,
        slug=_free_slug(unit.session, row, successor),
        title=row.title,
        category=row.category,
        draft=list(row.draft),
        declined=list(row.declined),
        formerly=list(names_of(row)),
        revision=unit.new_revision(),
        versions=[_copied(version) for version in row.versions],
    )
    unit.session.add(made)
    unit.session.flush()
    unit.record("list.continue", subject(made), None, shown_list(made), row.authority, successor)
    return made


def _free_slug(session: Session, row: ProhibitedListRow, successor: str) -> str:
    """Return the list's slug, or a longer one if the successor has a list of that name."""
    longer = f"{row.authority}-{row.slug}"[:_MAX_SLUG].rstrip("-")
    numbered = (f"{row.slug[: _MAX_SLUG - 5].rstrip('-')}-{number}" for number in count(2))
    names = chain((row.slug, longer), numbered)
    return next(name for name in names if repository.find(session, successor, name) is None)


def _copied(version: ListVersionRow) -> ListVersionRow:
    kept = ("version", "recorded_s", "decision", "adds", "removes", "terms", "scope")
    return ListVersionRow(**{name: getattr(version, name) for name in kept})


def continue_link(
    unit: UnitOfWork, link: ListLinkRow, row: ProhibitedListRow, authority: str
) -> tuple[ListLinkRow, bool]:
    """Link a list to an authority as `link` does, except while it is linked so already, or on a stronger ground.

    Return the link, and whether it was there before. A weaker link stays: it may last longer.
    """
    linked = [each for each in repository.live_links(unit.session, row, unit.now_s) if each.authority == authority]
    standing = [each for each in linked if _STRENGTH[each.ground] >= _STRENGTH[link.ground]]
    left = ((max(link.start_s, unit.now_s), until(link.period.end)),)
    gaps = difference(left, union(chain.from_iterable(span(each.period) for each in standing)))
    for each in standing:
        if link.new_names_at_once:
            set_new_names(unit, each, at_once=True)
    made = [_link(unit, link, row, authority, gap) for gap in gaps]
    return (made[0], False) if made else (standing[0], True)


def _link(unit: UnitOfWork, link: ListLinkRow, row: ProhibitedListRow, authority: str, gap: Interval) -> ListLinkRow:
    start, end = gap
    named = row.reference, authority, LinkGround(link.ground), link.instrument, link.date
    times = start, None if end == FOREVER else end
    return add(unit, row, ListLink(*named, *times, new_names_at_once=link.new_names_at_once))
