"""Acts on bindings: bind, accept, change, withdraw, end."""

from api.auth.permit import Permit
from api.authorities import repository as authorities
from api.authorities.state import demand_within
from api.bans import repository as bans
from api.bindings import repository
from api.bindings.reading import NOT_STORED, read_binding
from api.bindings.schemas import BindingEnding, BindingState, BindingWrite
from api.bindings.state import binding_state, never_holds
from api.db.base import Json
from api.db.models import BanRow, BindingRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid, invalid_at
from api.timestamps import given_timestamp, parse_end
from dnsfilter.policy.model import NOT_BY_LAW, Binding, Ground, Instant


def demand_responsible(unit: UnitOfWork, permit: Permit, row: BindingRow) -> None:
    """Raise `Forbidden` unless the caller acts for the authority that ends the binding."""
    permit.demand(_responsible(Ground(row.ground), unit.session.get_one(BanRow, row.ban)))


def bind(unit: UnitOfWork, permit: Permit, body: BindingWrite) -> BindingRow:
    """Record the binding that a body describes, as the authority that proposes it or as an administrator."""
    ban = bans.named(unit.session, body.ban, "body.ban")
    permit.demand(_responsible(body.ground, ban))
    bound = authorities.named(unit.session, body.authority, "body.authority")
    start = given_timestamp(body.start, unit.now_s, bound.time_zone, unit.asked_s, "body.start")
    with invalid_at("body"):
        end = parse_end(start, body.end, body.until, body.for_, bound.time_zone, unit.asked_s)
    wanted = Binding(
        0,
        ban.number,
        body.authority,
        body.ground,
        start,
        end,
        None,
        unit.now_s,
        body.instrument,
        body.date,
        body.new_names_at_once,
    )
    return create(unit, ban, wanted)


def create(unit: UnitOfWork, ban: BanRow, wanted: Binding, link: int | None = None) -> BindingRow:
    """Record that `ban` applies in another authority; raise `Invalid`, or `Conflict` if it already does.

    `link` is the number of the prohibited list's link that makes the binding.
    """
    if wanted.end is not None and wanted.end <= max(wanted.start, unit.now_s):
        raise Invalid.at("body.end", "the binding ends before it takes effect: give a later end")
    demand_law(wanted.ground, at_once=wanted.new_names_at_once)
    return _create(unit, ban, wanted, link)


def load(unit: UnitOfWork, ban: BanRow, wanted: Binding, link: int | None = None) -> None:
    """Record a binding from a complete policy that fills an empty database: accepted as the policy says, or ended."""
    row = _create(unit, ban, wanted, link)
    if wanted.ground is Ground.AGREEMENT and wanted.accepted is not None:
        _accept(unit, row)


def _create(unit: UnitOfWork, ban: BanRow, wanted: Binding, link: int | None = None) -> BindingRow:
    if wanted.authority == ban.authority:
        raise Invalid.at("body.authority", f"{ban.authority} needs no binding to its own ban: name another authority")
    bound = authorities.named(unit.session, wanted.authority, "body.authority")
    for party in (authorities.get(unit.session, ban.authority), bound):
        demand_within(party, wanted.end, unit.now_s)
    for other in repository.of(unit.session, ban.number, wanted.authority):
        if (
            other.ground == wanted.ground
            and not never_holds(other, unit.now_s)
            and other.period.overlaps(wanted.start, wanted.end)
        ):
            raise Conflict(
                f"binding {other.number} already binds {wanted.authority} at that time: end it, or give another time"
            )
    row = BindingRow(
        ban=ban.number,
        authority=wanted.authority,
        ground=str(wanted.ground),
        instrument=wanted.instrument,
        date=wanted.date,
        start_s=wanted.start,
        end_s=wanted.end,
        recorded_s=unit.now_s,
        accepted_s=None,
        ended_s=None,
        ended_by="",
        ended_reason="",
        ended_reference="",
        link=link,
        new_names_at_once=wanted.new_names_at_once,
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record(
        "binding.bind" if wanted.ground is Ground.LAW else "binding.propose",
        subject(row),
        None,
        shown(unit, row),
        ban.authority,
        row.authority,
    )
    return row


def accept(unit: UnitOfWork, row: BindingRow) -> None:
    """Accept an agreement, as the bound authority. Do nothing if it is accepted already."""
    if row.ground == Ground.LAW:
        raise Conflict(f"binding {row.number} is by law and needs no acceptance")
    if binding_state(row, unit.now_s) is BindingState.ENDED:
        raise Conflict(f"binding {row.number} has ended: propose a new one")
    if row.accepted_s is None:
        _accept(unit, row)


def demand_law(ground: str, *, at_once: bool) -> None:
    """Raise `Invalid` if a binding or link asks for new names at once on another ground than a law."""
    if at_once and ground != Ground.LAW:
        raise Invalid.at("body.new_names_at_once", NOT_BY_LAW)


def set_new_names(unit: UnitOfWork, row: BindingRow, *, at_once: bool) -> None:
    """Set whether new names are refused in the bound authority at once. Do nothing if nothing differs."""
    demand_law(row.ground, at_once=at_once)
    if row.new_names_at_once == at_once:
        return
    if binding_state(row, unit.now_s) is BindingState.ENDED:
        raise Conflict(f"binding {row.number} has ended: record a new one")
    before = shown(unit, row)
    row.new_names_at_once = at_once
    _recorded(unit, row, "binding.set_new_names", before)


def wanted_end(unit: UnitOfWork, row: BindingRow, body: BindingEnding) -> Instant:
    """Return when a body ends the binding: now, if it says no time."""
    zone = authorities.get(unit.session, row.authority).time_zone
    return unit.not_past(given_timestamp(body.at, unit.now_s, zone, unit.asked_s, "body.at", second=True))


def withdraw(unit: UnitOfWork, row: BindingRow, at: Instant, reason: str, reference: str = "") -> None:
    """Withdraw from an agreement, as the bound authority; raise `Conflict` for a law.

    `reference` is that of the formal decision to withdraw.
    """
    if row.ground == Ground.LAW:
        raise Conflict(f"binding {row.number} is by law: withdrawal is not possible")
    _finish(unit, row, at, "withdrawal", reason, reference)


def end(unit: UnitOfWork, row: BindingRow, at: Instant, reason: str, reference: str = "") -> None:
    """End a binding of any ground early: the law or the agreement itself has ended."""
    _finish(unit, row, at, "end", reason, reference)


def shown(unit: UnitOfWork, row: BindingRow) -> Json:
    """Return the binding as the audit log stores it."""
    reference = bans.references(unit.session, {row.ban})[row.ban]
    zone = authorities.get(unit.session, row.authority).time_zone
    return read_binding(row, reference, unit.now_s, zone).model_dump(mode="json", exclude=NOT_STORED)


def _responsible(ground: Ground, ban: BanRow) -> str | None:
    """Return the authority that proposes and ends a binding: the ban's for an agreement, None for a law."""
    return None if ground is Ground.LAW else ban.authority


def _accept(unit: UnitOfWork, row: BindingRow) -> None:
    before = shown(unit, row)
    row.accepted_s = unit.now_s
    _recorded(unit, row, "binding.accept", before)


def _finish(unit: UnitOfWork, row: BindingRow, at: Instant, by: str, reason: str, reference: str) -> None:
    if at < unit.now_s:
        raise Invalid.at("body.at", "a binding cannot end in the past: give now or a later time")
    if row.period.end is not None and row.period.end <= at:
        raise Conflict(f"binding {row.number} has already ended by then: give an earlier end")
    before = shown(unit, row)
    row.ended_s, row.ended_by, row.ended_reason, row.ended_reference = at, by, reason, reference
    _recorded(unit, row, f"binding.{'withdraw' if by == 'withdrawal' else 'end'}", before)


def _recorded(unit: UnitOfWork, row: BindingRow, act: str, before: Json) -> None:
    row.revision = unit.new_revision()
    ban = unit.session.get_one(BanRow, row.ban)
    unit.record(act, subject(row), before, shown(unit, row), ban.authority, row.authority)
