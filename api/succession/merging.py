"""An authority becomes part of another, as municipalities do: in one transaction, its successor goes on with all of it.

Ranges and space move; bans go on with the successor, with what binds others to them and exempts from them; what binds
the merged authority binds the successor. Then the merged authority is closed.
"""

from collections.abc import Mapping

from api.bans.formal_requirements import demand_formal
from api.bindings import repository as bindings
from api.db.models import AuthorityRow, ConcernRow
from api.db.unit_of_work import UnitOfWork, head
from api.errors import Conflict, Invalid
from api.ranges.service import shown as range_shown
from api.spaces.reading import read_space
from api.succession import repository
from api.succession.closing import close, demand_unclosed
from api.succession.heirs import Heirs
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
    """Make `new` the successor of `old` from now on; raises Invalid and Conflict."""
    if old.slug == new.slug:
        raise Invalid.at("body.into", f"{old.slug} cannot be merged into itself")
    demand_formal(decision, "bans go on by the decision to merge")
    for row in (old, new):
        demand_unclosed(unit, row)
        _demand_unsuspended(unit, row)
    done = Outcome()
    # What binds and exempts is continued before it ends; ranges move first, so that exemptions name ranges of `new`.
    moved = _transfer(unit, old, new)
    heirs = Heirs(unit, old, new, reason, decision, services, moved, done)
    heirs.continue_bans()
    heirs.continue_bindings_to()
    close(unit, old, unit.now_s, reason, decision, new.slug)
    return done


def _demand_unsuspended(unit: UnitOfWork, row: AuthorityRow) -> None:
    """Raises Conflict where the authority is suspended.

    That would end, or begin, for the clients that move: neither was meant.
    """
    held = suspensions.holding_of(unit.session, row.slug, unit.now_s)
    if held:
        raise Conflict(f"suspension {held[0].number} of {row.slug} is in force: end it, or wait")


def _transfer(unit: UnitOfWork, old: AuthorityRow, new: AuthorityRow) -> frozenset[tuple[str, str]]:
    """Give ranges and space to the successor; says which ranges, by site and prefix."""
    session = unit.session
    binders = bindings.binders(session, unit.now_s)
    concerned = {old.slug, new.slug, *binders.get(old.slug, ()), *binders.get(new.slug, ())}
    ranges = repository.ranges(session, old.slug)
    for entry in ranges:
        before = range_shown(entry)
        entry.authority, entry.revision = new.slug, unit.new_revision()
        unit.record("range.transfer", f"range/{entry.site}/{entry.prefix}", before, range_shown(entry), *concerned)
    for space in repository.spaces(session, old.slug):
        shown = read_space(space).model_dump(mode="json", exclude={"revision"})
        session.flush()
        space.authority, space.revision = new.slug, head(session)[0] + 1
        after = {**shown, "authority": new.slug}
        unit.note("space.transfer", f"space/{space.site}/{space.prefix}", shown, after, *concerned)
    theirs = repository.concerns(session, old.slug) - repository.concerns(session, new.slug)
    session.add_all(ConcernRow(authority=new.slug, exemption=number) for number in sorted(theirs))
    session.flush()
    return frozenset((entry.site, entry.prefix) for entry in ranges)
