"""Queries on authorities."""

from collections.abc import Iterable, Sequence

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from api.db.models import (
    AccountRow,
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
    RangeRow,
    SpaceRow,
    SuspensionRow,
    UsageClientRow,
    UsageDayRow,
    UsageHourRow,
    WebhookRow,
)
from api.db.unknown_names import no_authority
from api.errors import Invalid, NotFound
from api.http.pagination import Sorting, sorted_page

SORTING = Sorting(
    AuthorityRow.slug,
    {
        "slug": AuthorityRow.slug,
        "kind": AuthorityRow.kind,
        "group": AuthorityRow.group,
        "revision": AuthorityRow.revision,
    },
)


def find(session: Session, slug: str) -> AuthorityRow | None:
    """Return the authority, or None."""
    return session.get(AuthorityRow, slug)


def get(session: Session, slug: str) -> AuthorityRow:
    """Return the authority; raise `NotFound` if there is none."""
    row = session.get(AuthorityRow, slug)
    if row is None:
        raise NotFound(no_authority(session, slug))
    return row


def named(session: Session, slug: str, place: str) -> AuthorityRow:
    """Return the authority that a request names at `place`; raise `Invalid` if there is none."""
    row = session.get(AuthorityRow, slug)
    if row is None:
        raise Invalid.at(place, no_authority(session, slug))
    return row


def time_zones(session: Session, slugs: Iterable[str]) -> dict[str, str]:
    """Return the time zone of each of these authorities."""
    rows = session.execute(select(AuthorityRow.slug, AuthorityRow.time_zone).where(AuthorityRow.slug.in_(set(slugs))))
    return {row.slug: row.time_zone for row in rows}


def page(
    session: Session, kind: str | None, group: str | None, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[AuthorityRow], str | None]:
    """Return a page of authorities in the order of `sort`."""
    statement = select(AuthorityRow)
    if kind is not None:
        statement = statement.where(AuthorityRow.kind == kind)
    if group is not None:
        statement = statement.where(AuthorityRow.group == group)
    return sorted_page(session, statement, SORTING, sort, limit, cursor)


def in_use(session: Session, slug: str) -> bool:
    """Return whether anything refers to the authority, or its closing is recorded."""
    used = or_(
        exists().where(RangeRow.authority == slug),
        exists().where(BanRow.authority == slug),
        exists().where(BindingRow.authority == slug),
        exists().where(ConcernRow.authority == slug),
        exists().where(SpaceRow.authority == slug),
        exists().where(AccountRow.authority == slug),
        exists().where(GrantRow.authority == slug),
        exists().where(NoticeRow.authority == slug),
        exists().where(SuspensionRow.authority == slug),
        exists().where(WebhookRow.authority == slug),
        exists().where(CaptureRow.authority == slug),
        exists().where(UsageDayRow.authority == slug),
        exists().where(UsageHourRow.authority == slug),
        exists().where(UsageClientRow.authority == slug),
        exists().where(BypassDayRow.authority == slug),
        exists().where(CoverageRow.authority == slug),
        exists().where(CoverageDayRow.authority == slug),
        exists().where(AuthorityRow.successor == slug),
        exists().where(AuthorityRow.slug == slug, AuthorityRow.closes_s.is_not(None)),
    )
    return bool(session.scalar(select(used)))
