"""Acts on suspensions: start, end.

One authority has one suspension after another, never two that hold on in silence: a further one reaches beyond what
holds and is a record of its own, and to end one is to end all of that authority that are in force.
"""

from collections.abc import Sequence

from sqlalchemy import select

from api.auth.caller import Caller
from api.authorities.state import demand_open
from api.db.base import Json
from api.db.models import AuthorityRow, SuspensionRow
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.suspensions import repository
from api.suspensions.bound_bans import concerned
from api.suspensions.operator_limits import demand_start
from api.suspensions.reading import read_suspension
from api.suspensions.state import finish, would_end_earlier
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant


def start(unit: UnitOfWork, caller: Caller, authority: str | None, end: Instant, reason: str) -> SuspensionRow:
    """From now until `end` nothing is refused for `authority`, or for all.

    Raises Invalid for an unknown authority or an end beyond four hours, Conflict where as much holds already, or the
    authority is closed; Forbidden for what needs an approver.
    """
    if authority is not None:
        _demand_open(unit, authority)
    if not unit.now_s < end <= unit.now_s + MAX_SUSPENSION_S:
        raise Invalid.at("body.until", "a suspension ends after now, and within four hours")
    for held in repository.holding_of(unit.session, authority, unit.now_s):
        if end <= finish(held):
            until = at_words(finish(held), time_zone_of(unit.session, authority))
            raise Conflict(f"suspension {held.number} holds until {until}: end it, or give a later end")
    if authority is not None:
        demand_start(unit, caller, authority, end)
    row = SuspensionRow(
        authority=authority,
        start_s=unit.now_s,
        end_s=end,
        reason=reason,
        recorded_by=unit.actor.account,
        ended_s=None,
        ended_by=None,
        ended_reason="",
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record("suspension.start", _subject(row), None, shown(row), *_concerned(unit, row))
    return row


def end(unit: UnitOfWork, row: SuspensionRow, reason: str) -> None:
    """End it now, with every other of its authority that holds or will; raises Conflict where it has ended."""
    if not would_end_earlier(row, unit.now_s):
        raise Conflict(f"suspension {row.number} has ended")
    for each in repository.unfinished_of(unit.session, row.authority, unit.now_s):
        if not would_end_earlier(each, unit.now_s):
            continue
        before, whose = shown(each), _concerned(unit, each)
        each.ended_s, each.ended_by, each.ended_reason = unit.now_s, unit.actor.account, reason
        each.revision = unit.new_revision()
        unit.record("suspension.end", _subject(each), before, shown(each), *whose)


def shown(row: SuspensionRow) -> Json:
    """The suspension as the audit keeps it: without what depends on the hour, or on others."""
    read = read_suspension(row, row.start_s, row.start_s)
    return read.model_dump(mode="json", exclude={"revision", "state", "since"})


def _demand_open(unit: UnitOfWork, authority: str) -> None:
    """Raises Invalid for an unknown authority, and Conflict for a closed one, for which nothing is refused anyway.

    Clients that were its own are the successor's after a merger: whoever suspends it has these in mind.
    """
    row = unit.session.get(AuthorityRow, authority)
    if row is None:
        raise Invalid.at("body.authority", f"authority {authority} is not registered")
    try:
        demand_open(row, unit.now_s)
    except Conflict as error:
        heir = _heir(unit, row)
        if heir is None:
            raise Conflict(f"{error}: nothing is refused for it") from error
        raise Conflict(f"{error}, and its ranges are {heir}'s since: suspend {heir}") from error


def _heir(unit: UnitOfWork, row: AuthorityRow) -> str | None:
    """The authority into which it was merged at last, since that may have been merged too."""
    seen, heir = {row.slug}, row.successor
    while heir is not None and (further := unit.session.get_one(AuthorityRow, heir).successor) not in (None, *seen):
        seen.add(heir)
        heir = further
    return heir


def _concerned(unit: UnitOfWork, row: SuspensionRow) -> Sequence[str]:
    """Whose bans it sets aside: of one authority its own, and those bound to it; of all everybody's."""
    if row.authority is None:
        return unit.session.scalars(select(AuthorityRow.slug)).all()
    return concerned(unit.session, (row.authority,), (row.start_s, finish(row)))


def _subject(row: SuspensionRow) -> str:
    return f"suspension/{row.number}"
