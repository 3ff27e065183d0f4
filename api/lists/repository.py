"""Queries on prohibited lists."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, exists, not_, or_, select
from sqlalchemy.orm import Session

from api.db.models import BanRow, BindingRow, ListLinkRow, ProhibitedListRow
from api.db.unknown_names import numbered
from api.errors import Invalid, NotFound, did_you_mean, see_list
from api.http.pagination import Paging, equal, select_page
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


def find(session: Session, authority: str, slug: str) -> ProhibitedListRow | None:
    """Return the list, or None."""
    row = ProhibitedListRow
    return session.scalar(select(row).where(row.authority == authority, row.slug == slug))


def get(session: Session, authority: str, slug: str) -> ProhibitedListRow:
    """Return the list; raise `NotFound` if there is none."""
    row = find(session, authority, slug)
    if row is None:
        theirs = session.scalars(select(ProhibitedListRow.slug).where(ProhibitedListRow.authority == authority))
        raise NotFound(
            Text(
                "{authority} has no prohibited list {slug}.{hint}",
                authority=authority,
                slug=slug,
                hint=did_you_mean(slug, theirs),
            )
        )
    return row


def named(session: Session, reference: str, location: str) -> ProhibitedListRow:
    """Return the list of a reference `authority/slug`; raise `Invalid` if there is none."""
    authority, _, slug = reference.partition("/")
    row = find(session, authority, slug)
    if row is None:
        known = session.execute(select(ProhibitedListRow.authority, ProhibitedListRow.slug))
        hint = did_you_mean(reference, [f"{each.authority}/{each.slug}" for each in known])
        raise Invalid.at(
            location,
            Text(
                'No prohibited list "{reference}".{hint}',
                reference=reference,
                hint=hint or see_list("prohibited-list"),
            ),
        )
    return row


def bans(session: Session, authority: str) -> Mapping[str, BanRow]:
    """Return the authority's bans by service."""
    rows = session.scalars(select(BanRow).where(BanRow.authority == authority).order_by(BanRow.number))
    return {row.service: row for row in rows}


def of_authority(session: Session, authority: str) -> Sequence[ProhibitedListRow]:
    """Return the lists of an authority, by number."""
    row = ProhibitedListRow
    return session.scalars(select(row).where(row.authority == authority).order_by(row.number)).all()


def others(session: Session, row: ProhibitedListRow) -> Sequence[ProhibitedListRow]:
    """Return the other lists of the list's authority, by number."""
    other = ProhibitedListRow
    statement = select(other).where(other.authority == row.authority, other.number != row.number)
    return session.scalars(statement.order_by(other.number)).all()


def page(session: Session, authority: str | None, paging: Paging) -> tuple[Sequence[ProhibitedListRow], str | None]:
    """Return a page of lists by number."""
    statement = select(ProhibitedListRow).where(*equal({ProhibitedListRow.authority: authority}))
    return select_page(session, statement, ProhibitedListRow.number, int, *paging)


get_link = numbered(ListLinkRow, "link", "list-link")
"""Return the link with a number. Raise NotFound."""


def is_linked(session: Session, row: ProhibitedListRow) -> bool:
    """Return whether the list has or had a link."""
    return bool(session.scalar(select(exists().where(ListLinkRow.list_number == row.number))))


def live_links(session: Session, row: ProhibitedListRow, now: Instant) -> Sequence[ListLinkRow]:
    """Return the links of a list that are in force or planned."""
    link = ListLinkRow
    statement = select(link).where(link.list_number == row.number, not_(link.sql_period().has_ended(now)))
    return session.scalars(statement.order_by(link.number)).all()


def links_to(session: Session, row: ProhibitedListRow, authority: str) -> Sequence[ListLinkRow]:
    """Return the links of a list to an authority, including ended ones."""
    link = ListLinkRow
    statement = select(link).where(link.list_number == row.number, link.authority == authority)
    return session.scalars(statement.order_by(link.number)).all()


def links_of(session: Session, authority: str, now: Instant) -> Sequence[ListLinkRow]:
    """Return the live links to an authority, and those of its lists."""
    link, of = ListLinkRow, select(ProhibitedListRow.number).where(ProhibitedListRow.authority == authority)
    concerned = or_(link.authority == authority, link.list_number.in_(of))
    statement = select(link).where(concerned, not_(link.sql_period().has_ended(now)))
    return session.scalars(statement.order_by(link.number)).all()


def bindings(session: Session, link: int) -> Sequence[BindingRow]:
    """Return the bindings that a link made, including ended ones."""
    return session.scalars(select(BindingRow).where(BindingRow.link == link).order_by(BindingRow.number)).all()


def by_number(session: Session, numbers: Collection[int]) -> Mapping[int, ProhibitedListRow]:
    """Return lists by number."""
    row = ProhibitedListRow
    return {each.number: each for each in session.scalars(select(row).where(row.number.in_(numbers)))}


def bindings_of(session: Session, links: Sequence[ListLinkRow]) -> Sequence[tuple[BindingRow, str]]:
    """Return the bindings that links made, with the service of each, by number. Include ended ones."""
    statement = select(BindingRow, BanRow.service).join(BanRow, BanRow.number == BindingRow.ban)
    made = BindingRow.link.in_([link.number for link in links])
    return [(row, service) for row, service in session.execute(statement.where(made).order_by(BindingRow.number))]


def links_by_number(session: Session, numbers: Sequence[int]) -> Sequence[ListLinkRow]:
    """Return the links with these numbers, in order."""
    statement = select(ListLinkRow).where(ListLinkRow.number.in_(numbers))
    return session.scalars(statement.order_by(ListLinkRow.number)).all()


def link_page(
    session: Session, authority: str | None, row: ProhibitedListRow | None, paging: Paging
) -> tuple[Sequence[ListLinkRow], str | None]:
    """Return a page of links by number. `authority` is the linked one."""
    statement = select(ListLinkRow).where(*_of(authority, row))
    return select_page(session, statement, ListLinkRow.number, int, *paging)


def link_numbers(session: Session, authority: str | None, row: ProhibitedListRow | None, after: int) -> Sequence[int]:
    """Return the numbers of the links after a number. `authority` is the linked one."""
    number = ListLinkRow.number
    return session.scalars(select(number).where(*_of(authority, row), number > after).order_by(number)).all()


def _of(authority: str | None, row: ProhibitedListRow | None) -> list[ColumnElement[bool]]:
    return equal({ListLinkRow.authority: authority, ListLinkRow.list_number: None if row is None else row.number})
