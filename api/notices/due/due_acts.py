"""Notices about exemptions, bindings and suspensions."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import AuditRow, BanRow, BindingRow, ConcernRow, ExemptionRow, SuspensionRow
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import APPROVED, exemption_end, exemption_state, in_state, is_approved
from api.notices.due.due_bans import facts_at
from api.notices.due.merged_bans import Heir, heirs
from api.notices.kinds import DAY_S, Due, Hour, Kind, threshold
from api.suspensions import repository as suspensions
from api.suspensions.state import ended_early, finish
from dnsfilter.policy.model import Ground

BEFORE_EXEMPTIONS_END_S = (DAY_S, 7 * DAY_S)
REMINDED_S = 7 * DAY_S
"""After so long an undecided request is told of again."""


def due_exemptions(session: Session, hour: Hour) -> Iterator[Due]:
    """Requests to whoever decides them; decisions and ends to the authorities of the ranges."""
    row = ExemptionRow
    undecided = in_state(ExemptionState.REQUESTED, hour.now)
    decided = or_(row.approved_s > hour.oldest, row.rejected_s > hour.oldest, row.revoked_s > hour.oldest)
    last = hour.now + BEFORE_EXEMPTIONS_END_S[-1]
    ending = and_(is_approved(hour.now), row.sql_period().end <= last)
    rows = session.scalars(select(row).where(or_(undecided, decided, ending)).order_by(row.number)).all()
    bans = _bans(session, {found.ban for found in rows})
    owners, merged = _owners(session, [found.number for found in rows]), heirs(session, hour)
    for found in rows:
        heir = merged.get(found.ban)
        if heir is not None and heir.replaces(found):
            continue  # That the one which goes on was approved is told.
        facts = {**facts_at(bans[found.ban], hour.now), "number": found.number}
        end, state = exemption_end(found), exemption_state(found, hour.now)
        revoked = state is ExemptionState.REVOKED
        if state is ExemptionState.REQUESTED:
            yield _waiting(found, bans[found.ban].authority, facts, hour)
            continue
        for kind, at in (
            (Kind.EXEMPTION_APPROVED, found.approved_s),
            (Kind.EXEMPTION_REJECTED, found.rejected_s),
            (Kind.EXEMPTION_REVOKED, found.revoked_s),
        ):
            # What was approved and then revoked before anybody looked is revoked.
            if at is not None and hour.fresh(at) and not (kind is Kind.EXEMPTION_APPROVED and revoked):
                for owner in owners.get(found.number, ()):
                    told = {**facts, "at_s": at, "until_s": end}
                    yield Due(f"{kind}/{found.number}/{owner}", kind, owner, told)
        if found.approved_s is not None and state in APPROVED:
            yield from _ending(found, found.approved_s, owners.get(found.number, ()), facts, hour)


def _waiting(row: ExemptionRow, authority: str, facts: Json, hour: Hour) -> Due:
    kind, key = Kind.EXEMPTION_WAITING, f"{Kind.EXEMPTION_WAITING}/{row.number}"
    told = {**facts, "at_s": row.requested_s}
    if hour.now - row.requested_s >= REMINDED_S:
        return Due(f"{key}/again", kind, authority, told)
    return Due(key, kind, authority, told, (f"{key}/again",))


def _ending(row: ExemptionRow, approved_s: int, owners: Sequence[str], facts: Json, hour: Hour) -> Iterator[Due]:
    end = exemption_end(row)
    reached = threshold(end, approved_s, hour.now, BEFORE_EXEMPTIONS_END_S)
    if reached is None:
        return
    for owner in owners:
        key = f"{Kind.EXEMPTION_ENDING}/{row.number}/{owner}"
        said = tuple(f"{key}/{length}" for length in reached[1])
        yield Due(f"{key}/{reached[0]}", Kind.EXEMPTION_ENDING, owner, {**facts, "until_s": end}, said)


def due_bindings(session: Session, hour: Hour) -> Iterator[Due]:
    """What is proposed or recorded, to the authority bound; what that one has answered, to the ban's."""
    row = BindingRow
    wanted: ColumnElement[bool] = or_(
        row.recorded_s > hour.oldest, row.accepted_s > hour.oldest, row.ended_s > hour.oldest
    )
    rows = session.scalars(select(row).where(wanted).order_by(row.number)).all()
    bans, merged = _bans(session, {found.ban for found in rows}), heirs(session, hour)
    for found in rows:
        if _goes_on(found, merged):
            continue
        ban = bans[found.ban]
        facts = {**facts_at(ban, hour.now), "number": found.number, "bound": found.authority}
        law = found.ground == Ground.LAW
        if found.ended_s is not None:
            # The end may lie ahead: it is told when it was recorded.
            if found.ended_s > hour.oldest:
                away = found.ended_by == "withdrawal"
                kind = Kind.BINDING_WITHDRAWN if away else Kind.BINDING_ENDED
                to = ban.authority if away else found.authority
                yield Due(f"{kind}/{found.number}", kind, to, {**facts, "at_s": found.ended_s})
            if found.ended_s <= hour.now:
                continue
        if hour.fresh(found.accepted_s):
            told = {**facts, "at_s": found.accepted_s}
            yield Due(f"{Kind.BINDING_ACCEPTED}/{found.number}", Kind.BINDING_ACCEPTED, ban.authority, told)
        elif found.accepted_s is None and hour.fresh(found.recorded_s):
            kind = Kind.BINDING_BY_LAW if law else Kind.BINDING_PROPOSED
            yield Due(f"{kind}/{found.number}", kind, found.authority, {**facts, "at_s": found.start_s})


def due_mergers(session: Session, hour: Hour) -> Iterator[Due]:
    """Of what goes on with a successor, to the authorities that were bound and are: this alone."""
    for number, heir in heirs(session, hour).items():
        for authority in sorted(heir.bound):
            facts = {**facts_at(heir.ban, heir.at), "former": heir.was.authority, "at_s": heir.at}
            if hour.fresh(heir.at):
                yield Due(f"bound_ban_goes_on/{number}/{authority}", Kind.BOUND_BAN_GOES_ON, authority, facts)


def _goes_on(row: BindingRow, merged: Mapping[int, Heir]) -> bool:
    """Whether the binding ended with a merger and goes on as another, or is that other one."""
    heir = merged.get(row.ban)
    if heir is not None and row.ended_s == heir.at:
        # The successor needs no binding to its own ban.
        return bool(row.superseded_by) or row.authority == heir.ban.authority
    return row.ended_s is None and any(heir.made(row) for heir in merged.values())


def due_suspensions(session: Session, hour: Hour) -> Iterator[Due]:
    """Beginnings and early ends, to the authorities for which the act is on record.

    Those of a suspension of all go to the installation too.
    """
    row = SuspensionRow
    rows = session.scalars(select(row).where(or_(row.start_s > hour.oldest, row.ended_s > hour.oldest))).all()
    recorded, holding = (_recorded(session, hour), suspensions.holding(session, hour.now)) if rows else ({}, ())
    for found in rows:
        early = ended_early(found)
        if hour.fresh(found.start_s) and not found.period.is_void:
            kind = Kind.SUSPENSION_STARTED
            facts: Json = {"at_s": found.start_s, "until_s": found.end_s}
            for to in _recipients(found, recorded.get(("suspension.start", found.number), ())):
                yield Due(f"{kind}/{found.number}/{to or ''}", kind, to, {**facts, **_scope(found, to)})
        if hour.fresh(early):
            kind = Kind.SUSPENSION_ENDED
            for to in _recipients(found, recorded.get(("suspension.end", found.number), ())):
                facts = {"at_s": early, **_scope(found, to), **_still(holding, found.authority or to)}
                # One act ends all that an authority has: for these there is one notice.
                yield Due(f"{kind}/{found.authority or ''}/{early}/{to or ''}", kind, to, facts)


def _recorded(session: Session, hour: Hour) -> Mapping[tuple[str, int], Sequence[str]]:
    """Return the authorities for which an act on a suspension is on record, by act and number."""
    acts = AuditRow.act.in_(("suspension.start", "suspension.end"))
    entries = select(AuditRow.act, AuditRow.object, AuditRow.authorities).where(acts, AuditRow.time_s > hour.oldest)
    return {(act, int(subject.rpartition("/")[2])): whose for act, subject, whose in session.execute(entries)}


def _recipients(row: SuspensionRow, recorded: Sequence[str]) -> Sequence[str | None]:
    return recorded if row.authority is not None else (None, *recorded)


def _scope(row: SuspensionRow, to: str | None) -> Json:
    """Return for whom nothing is refused. `binds` says that this sets aside bans of the recipient that apply there."""
    scope: Json = {"scope": row.authority}
    return {**scope, "binds": True} if row.authority not in (None, to) else scope


def _still(holding: Sequence[SuspensionRow], scope: str | None) -> Json:
    """How long nothing is refused for that authority all the same; nothing where its bans apply."""
    ends = [finish(row) for row in holding if row.authority in (None, scope)]
    return {"still_s": max(ends)} if ends else {}


def _bans(session: Session, numbers: set[int]) -> Mapping[int, BanRow]:
    if not numbers:
        return {}
    return {row.number: row for row in session.scalars(select(BanRow).where(BanRow.number.in_(numbers)))}


def _owners(session: Session, numbers: Sequence[int]) -> Mapping[int, list[str]]:
    """By exemption, the authorities of its ranges."""
    found: dict[int, list[str]] = {}
    if numbers:
        statement = select(ConcernRow).where(ConcernRow.exemption.in_(numbers)).order_by(ConcernRow.authority)
        for row in session.scalars(statement):
            found.setdefault(row.exemption, []).append(row.authority)
    return found
