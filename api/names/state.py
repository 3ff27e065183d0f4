"""The state of allowed names, and which names of an authority have not ended. The state of a refused name is its ban's.

The `period` of an allowed name says when it is free.
"""

from sqlalchemy import ColumnElement, exists, not_
from sqlalchemy.orm import aliased

from api.bans.schemas import State
from api.bans.state import ENDING_S
from api.db.models import AllowedNameRow, BanRow, TermRow
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Instant


def allowed_state(row: AllowedNameRow, now: Instant) -> State:
    """Return the state of an allowed name: `ending` if its end or review is within thirty days."""
    if row.period.has_ended(now):
        return State.LAPSED
    if not row.period.holds(now):
        return State.PLANNED
    due = min(until(row.period.end), until(row.review_by_s))
    return State.ENDING if due <= now + ENDING_S else State.IN_FORCE


def is_refused(now: Instant) -> ColumnElement[bool]:
    """Select the bans on single names that have a term now or later."""
    term = aliased(TermRow)
    left = exists().where(term.ban == BanRow.number, not_(term.sql_period().has_ended(now)))
    return is_on_name() & left


def is_on_name() -> ColumnElement[bool]:
    """Select the bans on single names: a slug has no dot."""
    return BanRow.service.contains(".", autoescape=True)
