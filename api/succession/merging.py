"""Merge an authority into another in one transaction.

Ranges and space move to the successor. Bans continue with it, with their bindings and exemptions, and so do prohibited
lists with their links. What binds the merged authority binds the successor. Then the merged authority is closed.
"""

from collections.abc import Mapping

from api.bans.terms import demand_formal
from api.bindings import repository as bindings
from api.db.models import AuthorityRow, ConcernRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork, head
from api.errors import Conflict, Invalid
from api.ranges.service import shown as range_shown
from api.spaces.reading import read_space
from api.succession import repository
from api.succession.closing import close, demand_unclosed
from api.succession.continuation import Continuation
from api.succession.continued_lists import continue_lists
from api.succession.outcome import Outcome
from api.suspensions import repository as suspensions
from dnsfilter.policy.model import FormalDecision, Service


def merge(
    unit: UnitOfWork,
    old: AuthorityRow,
    new: AuthorityRow,
    reason: str,
    decision: FormalDecision,
    services: Mapping[str, Service],
) -> Outcome:
    """Make `new` the successor of `old` from now on; raise `Invalid` or `Conflict` if that is not possible."""
    if old.slug == new.slug:
        raise Invalid.at("body.into", f"{old.slug} cannot be merged into itself: name another authority")
    demand_formal(decision, "bans continue by the formal decision to merge")
    for row in (old, new):
        demand_unclosed(unit, row)
        _demand_unsuspended(unit, row)
    done = Outcome()
    # Move ranges first, so that exemptions name ranges of `new`. Continue bindings and exemptions before they end.
    moved = _transfer(unit, old, new)
    lists = continue_lists(unit, old, new, done)
    continuation = Continuation(unit, old, new, reason, decision, services, moved, done, lists)
    continuation.continue_bans()
    continuation.continue_bindings_to()
    continuation.continue_names()
    close(unit, old, unit.now_s, reason, decision, new.slug)
    return done


def _demand_unsuspended(unit: UnitOfWork, row: AuthorityRow) -> None:
    """Raise `Conflict` if the authority is suspended.

    The merger would start or end the suspension for the clients that move, which nobody intended.
    """
    held = suspensions.holding_of(unit.session, row.slug, unit.now_s)
    if held:
        raise Conflict(f"{row.slug} is suspended (suspension {held[0].number}): end it, or wait until it ends")


def _transfer(unit: UnitOfWork, old: AuthorityRow, new: AuthorityRow) -> frozenset[tuple[str, str]]:
    """Move ranges and space to the successor; return the ranges, by site and prefix."""
    session = unit.session
    binders = bindings.binders(session, unit.now_s)
    concerned = {old.slug, new.slug, *binders.get(old.slug, ()), *binders.get(new.slug, ())}
    ranges = repository.ranges(session, old.slug)
    for entry in ranges:
        before = range_shown(entry)
        entry.authority, entry.revision = new.slug, unit.new_revision()
        unit.record("range.transfer", subject(entry), before, range_shown(entry), *concerned)
    for space in repository.spaces(session, old.slug):
        shown = read_space(space).model_dump(mode="json", exclude={"revision"})
        session.flush()
        space.authority, space.revision = new.slug, head(session)[0] + 1
        after = {**shown, "authority": new.slug}
        unit.note("space.transfer", subject(space), shown, after, *concerned)
    theirs = repository.concerns(session, old.slug) - repository.concerns(session, new.slug)
    session.add_all(ConcernRow(authority=new.slug, exemption=number) for number in sorted(theirs))
    session.flush()
    return frozenset((entry.site, entry.prefix) for entry in ranges)
