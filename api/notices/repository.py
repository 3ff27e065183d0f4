"""Queries on notices."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow, NoticeRow
from api.http.pagination import select_page
from api.notices.kinds import DAY_S, Due
from api.notices.schemas import NoticeState
from api.publish.policy_rows import authority_value
from dnsfilter.policy.model import Authority, Instant

BEGINNING = "beginning"
"""Key and kind of the row that says since when this installation has made notices. It is no notice."""
CHUNK = 500
KEPT_S = 90 * DAY_S
"""How long a notice is kept that was sent or given up, as authentication failures are."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many notices wait, since when the oldest has been tried, and how many were given up."""

    waiting: int
    oldest_s: Instant | None
    given_up: int


def beginning(session: Session) -> Instant | None:
    """Since when this installation has made notices; None where it never has."""
    return session.scalar(select(NoticeRow.made_s).where(NoticeRow.key == BEGINNING))


def begin(session: Session, now_s: Instant) -> None:
    """Make notices from now on."""
    session.add(NoticeRow(key=BEGINNING, kind=BEGINNING, authority=None, facts={}, made_s=now_s, tries=0))


def missing(session: Session, found: Sequence[Due]) -> list[Due]:
    """Those of the notices that are not made yet, and whose turn has not passed."""
    made = _made(session, {key for one in found for key in (one.key, *one.said)})
    return [one for one in found if made.isdisjoint((one.key, *one.said))]


def waiting(session: Session, now_s: Instant, longest_s: int, limit: int) -> Sequence[NoticeRow]:
    """The notices whose turn to be sent has come, the first first.

    No pause is longer than `longest_s`: a turn further off was set by a clock that ran ahead.
    """
    turn = or_(NoticeRow.next_try_s <= now_s, NoticeRow.next_try_s > now_s + longest_s)
    statement = select(NoticeRow).where(turn).order_by(NoticeRow.next_try_s, NoticeRow.number)
    return session.scalars(statement.limit(limit)).all()


def over(session: Session, before_s: Instant, needed: Set[str], limit: int) -> Sequence[int]:
    """The numbers of notices that were made by then, and sent or given up, but for those of the `needed` keys."""
    ended = (NoticeRow.next_try_s.is_(None), NoticeRow.kind != BEGINNING, NoticeRow.made_s <= before_s)
    statement = select(NoticeRow.number, NoticeRow.key).where(*ended).order_by(NoticeRow.number)
    # So many are enough, however many of them are needed.
    found = session.execute(statement.limit(limit + len(needed)))
    return [number for number, key in found if key not in needed][:limit]


def forget(session: Session, numbers: Sequence[int]) -> None:
    """Forget these notices, unless they are to be sent."""
    session.execute(delete(NoticeRow).where(NoticeRow.number.in_(numbers), NoticeRow.next_try_s.is_(None)))


def counts(session: Session) -> Counts:
    """How many notices wait, and how many were given up."""
    waits = _in_state(NoticeState.WAITING)
    number, oldest = session.execute(select(func.count(), func.min(NoticeRow.made_s)).where(waits)).one()
    given_up = select(func.count()).select_from(NoticeRow).where(_in_state(NoticeState.FAILED))
    return Counts(number, oldest, session.scalar(given_up) or 0)


def page(
    session: Session,
    visible: frozenset[str] | None,
    state: NoticeState | None,
    authority: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[NoticeRow], str | None]:
    """A page of notices, newest first; to `visible`, unless it is None."""
    statement = select(NoticeRow).where(NoticeRow.kind != BEGINNING)
    if visible is not None:
        statement = statement.where(NoticeRow.authority.in_(visible))
    if authority is not None:
        statement = statement.where(NoticeRow.authority == authority)
    if state is not None:
        statement = statement.where(_in_state(state))
    return select_page(session, statement, NoticeRow.number, int, limit, cursor, newest_first=True)


def state_of(row: NoticeRow) -> NoticeState:
    """What became of a notice."""
    if row.sent_s is not None:
        return NoticeState.SENT
    return NoticeState.FAILED if row.next_try_s is None else NoticeState.WAITING


def bodies(session: Session, slugs: Iterable[str]) -> Mapping[str, Authority]:
    """What authorities are called, with their languages, zones and contacts."""
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
            return and_(row.next_try_s.is_(None), row.sent_s.is_(None), row.kind != BEGINNING)
        case _:
            assert_never(state)
