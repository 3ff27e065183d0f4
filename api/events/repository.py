"""Queries on events: what a receiver has, and what follows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from heapq import merge
from itertools import takewhile

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.audit.reading import read_entry
from api.db.models import AuditRow, EventCursorRow, MatterRow, NoticeRow, WebhookRow
from api.db.unit_of_work import head
from api.errors import NotFound
from api.events.event_types import NOTICE, Event, is_wanted
from api.notices import repository as notices
from api.notices.kinds import Kind
from api.notices.letters import Names, authorities_in, letter
from api.timestamps import timestamp_text

BATCH = 100
ORIGIN = 16
"""Characters of an entry's hash in the identity of its event."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last act and the last notice that a receiver has."""

    seq: int
    notice: int


@dataclass(frozen=True, slots=True)
class SkippedEvents:
    """The events that a receiver rejected until they were left out: their number, and the last one with the reason."""

    count: int = 0
    event: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Following:
    """The next events of a receiver, and the position up to which all rows were read."""

    events: Sequence[Event]
    reached: Position


def webhooks(session: Session) -> Sequence[WebhookRow]:
    """Return the webhooks by number."""
    return session.scalars(select(WebhookRow).order_by(WebhookRow.number)).all()


def webhook(session: Session, number: int) -> WebhookRow:
    """Return a webhook. Raise NotFound."""
    row = session.get(WebhookRow, number)
    if row is None:
        raise NotFound(f"webhook {number} does not exist")
    return row


def newest(session: Session) -> Position:
    """Return the position of a receiver that has everything so far."""
    return Position(head(session)[0], session.scalar(select(func.max(NoticeRow.number))) or 0)


def position(session: Session, receiver: str) -> Position | None:
    """Return a receiver's position; None if it has none yet."""
    row = session.get(EventCursorRow, receiver)
    return None if row is None else Position(row.seq, row.notice)


def keep(session: Session, receiver: str, at: Position) -> None:
    """Store a receiver's position."""
    session.merge(EventCursorRow(receiver=receiver, seq=at.seq, notice=at.notice))


def advance(session: Session, receiver: str, at: Position) -> bool:
    """Store the new position of a receiver. Return False if the receiver was removed."""
    row = session.get(EventCursorRow, receiver)
    if row is None:
        return False
    row.seq, row.notice = at.seq, at.notice
    return True


def park(session: Session, receiver: str, at: Position, event: str, reason: str) -> bool:
    """Leave out an event, which `at` is the position after. Return False if the receiver was removed."""
    if not advance(session, receiver, at):
        return False
    row = session.get_one(EventCursorRow, receiver)
    row.parked, row.parked_last = row.parked + 1, {"event": event, "reason": reason}
    return True


def parked(session: Session, receiver: str) -> SkippedEvents:
    """Return the events that a receiver rejected until they were left out."""
    row = session.get(EventCursorRow, receiver)
    if row is None or row.parked == 0:
        return SkippedEvents()
    return SkippedEvents(row.parked, row.parked_last.get("event", ""), row.parked_last.get("reason", ""))


def forget(session: Session, receiver: str) -> None:
    """Delete a receiver's position."""
    row = session.get(EventCursorRow, receiver)
    if row is not None:
        session.delete(row)


def totals_position(session: Session, receiver: str) -> date | None:
    """Return the last day whose totals a receiver has; None if it has no position for them yet."""
    row = session.get(EventCursorRow, _totals_of(receiver))
    return None if row is None else date.fromordinal(row.seq)


def keep_totals_position(session: Session, receiver: str, day: date) -> None:
    """Store the last day whose totals a receiver has."""
    keep(session, _totals_of(receiver), Position(day.toordinal(), 0))


def _totals_of(receiver: str) -> str:
    return f"{receiver}/totals"


def following(
    session: Session, after: Position, authority: str | None, types: Collection[str], services: Mapping[str, str]
) -> Following:
    """Return the next wanted events after a position, of at most `BATCH` acts and as many notices.

    Acts are in the order of the audit log, notices in the order in which they were made. Both are merged by time.
    """
    acts, made = _together(_acts(session, after, authority), _notices(session, after, authority))
    reached = Position(acts[-1].seq if acts else after.seq, made[-1].number if made else after.notice)
    events: list[Event] = []
    at = after
    rows: list[Iterable[tuple[int, AuditRow | NoticeRow]]] = [
        [(row.time_s, row) for row in acts],
        [(row.made_s, row) for row in made],
    ]
    for time_s, row in merge(*rows, key=lambda pair: pair[0]):
        if isinstance(row, AuditRow):
            at = replace(at, seq=row.seq)
            name = row.act
        else:
            at = replace(at, notice=row.number)
            name = f"{NOTICE}.{row.kind}"
        if is_wanted(types, name):
            events.append(_event(session, row, name, time_s, at, services))
    return Following(events, reached)


def _together(acts: Sequence[AuditRow], made: Sequence[NoticeRow]) -> tuple[Sequence[AuditRow], Sequence[NoticeRow]]:
    """Return the rows up to the time from which further acts or notices may follow. Acts of one second come first."""
    if len(acts) == BATCH and (len(made) < BATCH or acts[-1].time_s <= made[-1].made_s):
        return acts, [*takewhile(lambda row: row.made_s < acts[-1].time_s, made)]
    if len(made) == BATCH:
        return [*takewhile(lambda row: row.time_s <= made[-1].made_s, acts)], made
    return acts, made


def _acts(session: Session, after: Position, authority: str | None) -> Sequence[AuditRow]:
    statement = select(AuditRow).where(AuditRow.seq > after.seq)
    if authority is not None:
        concerns = select(MatterRow.seq).where(MatterRow.authority == authority, MatterRow.seq > after.seq)
        statement = statement.where(AuditRow.seq.in_(concerns.order_by(MatterRow.seq).limit(BATCH)))
    return session.scalars(statement.order_by(AuditRow.seq).limit(BATCH)).all()


def _notices(session: Session, after: Position, authority: str | None) -> Sequence[NoticeRow]:
    statement = select(NoticeRow).where(NoticeRow.number > after.notice, NoticeRow.kind != notices.BEGINNING)
    if authority is not None:
        statement = statement.where(NoticeRow.authority == authority)
    return session.scalars(statement.order_by(NoticeRow.number).limit(BATCH)).all()


def _event(
    session: Session, row: AuditRow | NoticeRow, name: str, time_s: int, at: Position, services: Mapping[str, str]
) -> Event:
    if isinstance(row, AuditRow):
        entry = read_entry(row).model_dump(mode="json")
        origin = row.hash[:ORIGIN]
        return Event(f"act-{row.seq}", origin, name, entry["time"], tuple(row.authorities), entry, at.seq, at.notice)
    concerned = () if row.authority is None else (row.authority,)
    time = timestamp_text(time_s)
    data = _text(session, row, services)
    return Event(f"notice-{row.number}", str(row.made_s), name, time, concerned, data, at.seq, at.notice)


def _text(session: Session, row: NoticeRow, services: Mapping[str, str]) -> dict[str, str]:
    """Return subject and text of a notice as in its mail; only its kind if this version cannot write its text."""
    slugs = authorities_in(row.facts) | ({row.authority} if row.authority is not None else set())
    names = Names(notices.authorities(session, slugs), services)
    to = None if row.authority is None else names.authorities.get(row.authority)
    try:
        written = letter(Kind(row.kind), row.facts, to, names)
    except (KeyError, ValueError):
        return {"subject": row.kind, "text": ""}
    return {"subject": written.subject, "text": written.text}
