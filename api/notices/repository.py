"""Queries on notices."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow, NoticeRow
from api.http.pagination import select_page
from api.notices.kinds import Due
from api.notices.schemas import NoticeState
from api.publish.policy_rows import authority_value
from dnsfilter.policy.model import DAY_S, Authority, Instant

BEGINNING = "beginning"
"""Key and kind of the row that holds the time of the installation's first look for notices. It is not a notice."""
NO_MAIL, NO_CONTACT = "there is no mail server", "the installation has no contact"
"""Why nobody was to get a notice by mail."""
CHUNK = 500
KEPT_S = 90 * DAY_S
"""Retention in seconds of notices that were sent or given up. Authentication failures have the same."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of waiting notices, when the oldest of them was made, and the number of notices given up."""

    waiting: int
    oldest_s: Instant | None
    abandoned: int


def beginning(session: Session) -> Instant | None:
    """Return when this installation started to make notices; None if it has not."""
    return session.scalar(select(NoticeRow.made_s).where(NoticeRow.key == BEGINNING))


def begin(session: Session, now_s: Instant) -> None:
    """Record that the installation makes notices from now on."""
    session.add(NoticeRow(key=BEGINNING, kind=BEGINNING, authority=None, facts={}, made_s=now_s, tries=0))


def missing(session: Session, found: Sequence[Due]) -> list[Due]:
    """Return the notices that do not exist yet, and of which no later one exists."""
    made = _made(session, {key for one in found for key in (one.key, *one.later_keys)})
    return [one for one in found if made.isdisjoint((one.key, *one.later_keys))]


def waiting(session: Session, now_s: Instant, longest_s: int, limit: int) -> Sequence[NoticeRow]:
    """Return the notices that are due to be sent, the earliest first.

    No pause is longer than `longest_s`. A later time was set by a clock that ran ahead, so it counts as due.
    """
    is_due = or_(NoticeRow.next_try_s <= now_s, NoticeRow.next_try_s > now_s + longest_s)
    statement = select(NoticeRow).where(is_due).order_by(NoticeRow.next_try_s, NoticeRow.number)
    return session.scalars(statement.limit(limit)).all()


def expired(session: Session, before_s: Instant, needed: Set[str], limit: int) -> Sequence[int]:
    """Return the numbers of notices made by `before_s` that were sent or given up, except those with `needed` keys."""
    ended = (NoticeRow.next_try_s.is_(None), NoticeRow.kind != BEGINNING, NoticeRow.made_s <= before_s)
    statement = select(NoticeRow.number, NoticeRow.key).where(*ended).order_by(NoticeRow.number)
    # Enough rows even if all needed ones are among them.
    found = session.execute(statement.limit(limit + len(needed)))
    return [number for number, key in found if key not in needed][:limit]


def delete_ended(session: Session, numbers: Sequence[int]) -> None:
    """Delete these notices, except those that still wait to be sent."""
    session.execute(delete(NoticeRow).where(NoticeRow.number.in_(numbers), NoticeRow.next_try_s.is_(None)))


def give_up_waiting(session: Session, why: str) -> None:
    """Mark all notices that wait to be sent as given up."""
    session.execute(update(NoticeRow).where(NoticeRow.next_try_s.is_not(None)).values(next_try_s=None, failure=why))


def counts(session: Session) -> Counts:
    """Count the notices that wait and those given up."""
    waits = _in_state(NoticeState.WAITING)
    number, oldest = session.execute(select(func.count(), func.min(NoticeRow.made_s)).where(waits)).one()
    abandoned = select(func.count()).select_from(NoticeRow).where(_in_state(NoticeState.FAILED))
    return Counts(number, oldest, session.scalar(abandoned) or 0)


def page(
    session: Session,
    visible: frozenset[str] | None,
    state: NoticeState | None,
    authority: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[NoticeRow], str | None]:
    """Return a page of notices, newest first, to the authorities in `visible`; None: to all recipients."""
    statement = select(NoticeRow).where(NoticeRow.kind != BEGINNING)
    if visible is not None:
        statement = statement.where(NoticeRow.authority.in_(visible))
    if authority is not None:
        statement = statement.where(NoticeRow.authority == authority)
    if state is not None:
        statement = statement.where(_in_state(state))
    return select_page(session, statement, NoticeRow.number, int, limit, cursor, newest_first=True)


def state_of(row: NoticeRow) -> NoticeState:
    """Return the state of a notice."""
    if row.sent_s is not None:
        return NoticeState.SENT
    if row.failure in (NO_MAIL, NO_CONTACT):
        return NoticeState.NOT_MAILED
    return NoticeState.FAILED if row.next_try_s is None else NoticeState.WAITING


def authorities(session: Session, slugs: Iterable[str]) -> Mapping[str, Authority]:
    """Return the authorities with these slugs: names, languages, time zones and contacts."""
    found: dict[str, Authority] = {}
    for chunk in _in_chunks(sorted(set(slugs))):
        for row in session.scalars(select(AuthorityRow).where(AuthorityRow.slug.in_(chunk))):
            found[row.slug] = authority_value(row)
    return found


def _made(session: Session, keys: set[str]) -> set[str]:
    found: set[str] = set()
    for chunk in _in_chunks(sorted(keys)):
        found.update(session.scalars(select(NoticeRow.key).where(NoticeRow.key.in_(chunk))))
    return found


def _in_chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def _in_state(state: NoticeState) -> ColumnElement[bool]:
    row = NoticeRow
    match state:
        case NoticeState.WAITING:
            return row.next_try_s.is_not(None)
        case NoticeState.SENT:
            return row.sent_s.is_not(None)
        case NoticeState.FAILED:
            unmailed = row.failure.not_in((NO_MAIL, NO_CONTACT))
            return and_(row.next_try_s.is_(None), row.sent_s.is_(None), row.kind != BEGINNING, unmailed)
        case NoticeState.NOT_MAILED:
            return row.failure.in_((NO_MAIL, NO_CONTACT))
        case _:
            assert_never(state)
