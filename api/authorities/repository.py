"""Queries on authorities."""

from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import combining, normalize

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from api.db.models import (
    AccountRow,
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    BypassDayRow,
    CaptureRow,
    ConcernRow,
    CoverageDayRow,
    CoverageRow,
    GrantRow,
    NoticeRow,
    PendingDayRow,
    RangeRow,
    ServiceRow,
    SpaceRow,
    SuspensionRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
    WebhookRow,
)
from api.db.unknown_names import no_authority
from api.errors import Invalid, NotFound
from api.http.pagination import Paging, Sorting, equal, sorted_page, within

SORTING = Sorting(
    AuthorityRow.slug,
    {
        "slug": AuthorityRow.slug,
        "kind": AuthorityRow.kind,
        "group": AuthorityRow.group,
        "revision": AuthorityRow.revision,
    },
)

_OF_AUTHORITY: Sequence[Any] = (
    RangeRow, BanRow, AllowedNameRow, BindingRow, ConcernRow, SpaceRow, AccountRow, GrantRow, NoticeRow, SuspensionRow,
    WebhookRow, CaptureRow, ServiceRow, UsageDayRow, UsageHourRow, UsageClientRow, BypassDayRow, PendingDayRow,
    CoverageRow, CoverageDayRow,
)  # fmt: skip
"""Tables whose rows refer to an authority."""


def find(session: Session, slug: str) -> AuthorityRow | None:
    """Return the authority, or None."""
    return session.get(AuthorityRow, slug)


def get(session: Session, slug: str) -> AuthorityRow:
    """Return the authority; raise `NotFound` if there is none."""
    row = session.get(AuthorityRow, slug)
    if row is None:
        raise NotFound(no_authority(session, slug))
    return row


def named(session: Session, slug: str, location: str) -> AuthorityRow:
    """Return the authority that a request names at `location`; raise `Invalid` if there is none."""
    row = session.get(AuthorityRow, slug)
    if row is None:
        raise Invalid.at(location, no_authority(session, slug))
    return row


def by_slug(session: Session, slugs: Iterable[str]) -> dict[str, AuthorityRow]:
    """Return those of these authorities that exist, by slug."""
    return {row.slug: row for row in session.scalars(select(AuthorityRow).where(AuthorityRow.slug.in_(set(slugs))))}


def time_zones(session: Session, slugs: Iterable[str]) -> dict[str, str]:
    """Return the time zone of each of these authorities."""
    rows = session.execute(select(AuthorityRow.slug, AuthorityRow.time_zone).where(AuthorityRow.slug.in_(set(slugs))))
    return {row.slug: row.time_zone for row in rows}


def page(
    session: Session,
    kind: str | None,
    group: str | None,
    mine: frozenset[str] | None,
    matching: str | None,
    sort: str,
    paging: Paging,
) -> tuple[Sequence[AuthorityRow], str | None]:
    """Return a page of authorities in the order of `sort`; only those of `mine` and `matching`, unless it is None."""
    wanted = equal({AuthorityRow.kind: kind, AuthorityRow.group: group}) + within(AuthorityRow.slug, mine)
    if matching is not None:
        wanted += within(AuthorityRow.slug, _with(session, matching))
    statement = select(AuthorityRow).where(*wanted)
    return sorted_page(session, statement, SORTING, sort, *paging)


def _with(session: Session, text: str) -> frozenset[str]:
    """Return the authorities that have a text in their slug or in a name."""
    wanted, rows = _plain(text), session.execute(select(AuthorityRow.slug, AuthorityRow.names))
    return frozenset(slug for slug, names in rows if any(wanted in _plain(each) for each in (slug, *names.values())))


def _plain(text: str) -> str:
    """Return a text without accents, in lower case: people type "liege" for "Liège"."""
    return "".join(each for each in normalize("NFKD", text.casefold()) if not combining(each))


def in_use(session: Session, slug: str) -> bool:
    """Return whether anything refers to the authority, or its closing is recorded."""
    used = or_(
        *(exists().where(kind.authority == slug) for kind in _OF_AUTHORITY),
        exists().where(AuthorityRow.successor == slug),
        exists().where(AuthorityRow.slug == slug, AuthorityRow.closes_s.is_not(None)),
    )
    return bool(session.scalar(select(used)))
