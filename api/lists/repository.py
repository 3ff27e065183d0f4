"""Queries on prohibited lists."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import BanRow, ProhibitedListRow
from api.errors import Invalid, NotFound, did_you_mean
from api.http.pagination import Paging, equal, select_page


def find(session: Session, authority: str, slug: str) -> ProhibitedListRow | None:
    """Return the list, or None."""
    row = ProhibitedListRow
    return session.scalar(select(row).where(row.authority == authority, row.slug == slug))


def get(session: Session, authority: str, slug: str) -> ProhibitedListRow:
    """Return the list; raise `NotFound` if there is none."""
    row = find(session, authority, slug)
    if row is None:
        theirs = session.scalars(select(ProhibitedListRow.slug).where(ProhibitedListRow.authority == authority))
        raise NotFound(f"{authority} has no prohibited list {slug}.{did_you_mean(slug, theirs)}")
    return row


def named(session: Session, reference: str, location: str) -> ProhibitedListRow:
    """Return the list of a reference `authority/slug`; raise `Invalid` if there is none."""
    authority, _, slug = reference.partition("/")
    row = find(session, authority, slug)
    if row is None:
        known = session.execute(select(ProhibitedListRow.authority, ProhibitedListRow.slug))
        hint = did_you_mean(reference, [f"{each.authority}/{each.slug}" for each in known])
        raise Invalid.at(
            location, f'No prohibited list "{reference}".{hint or " See dnsfilterctl prohibited-list list."}'
        )
    return row


def bans(session: Session, authority: str) -> Mapping[str, BanRow]:
    """Return the authority's bans by service."""
    rows = session.scalars(select(BanRow).where(BanRow.authority == authority).order_by(BanRow.number))
    return {row.service: row for row in rows}


def others(session: Session, row: ProhibitedListRow) -> Sequence[ProhibitedListRow]:
    """Return the other lists of the list's authority, by number."""
    other = ProhibitedListRow
    statement = select(other).where(other.authority == row.authority, other.number != row.number)
    return session.scalars(statement.order_by(other.number)).all()


def page(session: Session, authority: str | None, paging: Paging) -> tuple[Sequence[ProhibitedListRow], str | None]:
    """Return a page of lists by number."""
    statement = select(ProhibitedListRow).where(*equal({ProhibitedListRow.authority: authority}))
    return select_page(session, statement, ProhibitedListRow.number, int, *paging)
