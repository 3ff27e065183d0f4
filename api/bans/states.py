"""The states of bans as conditions of a query: what `standing` says of a row, said to a database."""

from typing import assert_never

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, or_
from sqlalchemy.orm import aliased

from api.bans.schemas import State
from api.bans.standing import ENDING_S
from api.db.models import BanRow, SuspensionRow, TermRow
from dnsfilter.policy.model import Instant, Mode


def in_state(state: State, now: Instant) -> ColumnElement[bool]:
    """What `state_of` says of a ban, as a condition; a ban that is ending is in force too."""
    term, own = _term()
    end = _end(term)
    waits = or_(term.start_s > now, term.recorded_s > now)
    ahead = exists().where(own, waits, or_(end.is_(None), and_(end > term.start_s, end > term.recorded_s)))
    held, off = _held(now), mode_at(now) == Mode.OFF
    on = and_(held, not_(off))
    match state:
        case State.OFF:
            return and_(held, off)
        case State.SUSPENDED:
            return and_(on, _is_suspended(now))
        case State.IN_FORCE:
            return and_(on, not_(_is_suspended(now)))
        case State.ENDING:
            return and_(on, not_(_is_suspended(now)), or_(_nears_end(now), _nears_review(now)))
        case State.PLANNED:
            return and_(not_(held), ahead)
        case State.LAPSED:
            return and_(not_(held), not_(ahead))
        case _:
            assert_never(state)


def mode_at(now: Instant) -> ColumnElement[str | None]:
    """Select the mode of a ban, as `switch_at` gives it."""
    return case((BanRow.off_until_s <= now, BanRow.returns_to), else_=BanRow.mode)


def mode_since(now: Instant) -> ColumnElement[int | None]:
    """Select since when a ban has its mode, as `switch_at` gives it."""
    return case((BanRow.off_until_s <= now, BanRow.off_until_s), else_=BanRow.mode_set_s)


def has_lapsed(now: Instant) -> ColumnElement[bool]:
    """Select whether a ban has lapsed, as `standing.has_lapsed` gives it."""
    term, own = _term()
    return not_(exists().where(own, not_(_over(term, now))))


def _term() -> tuple[type[TermRow], ColumnElement[bool]]:
    """A term under a name of its own, and that it is one of the ban's."""
    term = aliased(TermRow)
    return term, term.ban == BanRow.number


def _end(term: type[TermRow]) -> ColumnElement[int | None]:
    return func.coalesce(term.ended_s, term.end_s)


def _over(term: type[TermRow], now: Instant) -> ColumnElement[bool]:
    end = _end(term)
    return and_(end.is_not(None), or_(end <= now, end <= term.start_s))


def _held(now: Instant) -> ColumnElement[bool]:
    term, own = _term()
    end = _end(term)
    return exists().where(own, term.start_s <= now, term.recorded_s <= now, or_(end.is_(None), end > now))


def _nears_end(now: Instant) -> ColumnElement[bool]:
    """Of a ban in force: that within thirty days a term ends when no other holds."""
    term, own = _term()
    other, _ = _term()
    end, further = _end(term), _end(other)
    covered = exists().where(other.ban == term.ban, other.start_s <= end, or_(further.is_(None), further > end))
    return exists().where(own, end > now, end <= now + ENDING_S, end > term.start_s, not_(covered))


def _nears_review(now: Instant) -> ColumnElement[bool]:
    """Of a ban in force: that its latest date of review is within thirty days; or past, where it has no end.

    Where it ends before its review, it nears its end.
    """
    held, is_of_held = _term()
    endless = exists().where(is_of_held, held.start_s <= now, held.recorded_s <= now, _end(held).is_(None))
    soon, later = _reviewed(now, now, now + ENDING_S), _reviewed(now, now + ENDING_S, None)
    return and_(or_(soon, and_(_reviewed(now, None, now), endless)), not_(later))


def _reviewed(now: Instant, after: Instant | None, until: Instant | None) -> ColumnElement[bool]:
    """That a term which is not over has its date of review within it, later than `after` and not later than `until`."""
    term, own = _term()
    end, review = _end(term), term.review_by_s
    bounds = [review > after] if after is not None else []
    bounds += [review <= until] if until is not None else []
    return exists().where(own, not_(_over(term, now)), or_(end.is_(None), review < end), *bounds)


def _is_suspended(now: Instant) -> ColumnElement[bool]:
    row = SuspensionRow
    # One that was ended in the second of its start ends in the next; one ended before its start never holds.
    lasts = or_(row.ended_s.is_(None), row.ended_s > now, and_(row.start_s == now, row.ended_s == now))
    whose = or_(row.authority.is_(None), row.authority == BanRow.authority)
    return exists().where(whose, row.start_s <= now, row.end_s > now, lasts)
