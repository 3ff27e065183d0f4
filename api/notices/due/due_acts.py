"""Notices about exemptions, bindings, suspensions and captures."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from api.db.base import Json
from api.db.models import AuditRow, BanRow, BindingRow, CaptureRow, ConcernRow, ExemptionRow, SuspensionRow
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import APPROVED, exemption_end, exemption_state, in_state, is_approved
from api.notices.due.due_bans import facts_at
from api.notices.due.successor_bans import SuccessorBan, successor_bans
from api.notices.kinds import Due, Hour, Kind, threshold
from api.suspensions import repository as suspensions
from api.suspensions.state import ended_early, finish
from dnsfilter.policy.bounds import CAPTURE_KEPT_S
from dnsfilter.policy.model import DAY_S, Ground

BEFORE_EXEMPTIONS_END_S = (DAY_S, 7 * DAY_S)
REMINDED_S = 7 * DAY_S
"""Seconds after which an undecided request causes a second notice."""


def due_exemptions(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about exemptions: requests to who decides, decisions and ends to the ranges' owners."""
    row = ExemptionRow
    undecided = in_state(ExemptionState.REQUESTED, hour.now)
    decided = or_(row.approved_s > hour.oldest, row.rejected_s > hour.oldest, row.revoked_s > hour.oldest)
    last = hour.now + BEFORE_EXEMPTIONS_END_S[-1]
    ending = and_(is_approved(hour.now), row.sql_period().end <= last)
    rows = session.scalars(select(row).where(or_(undecided, decided, ending)).order_by(row.number)).all()
    bans = _bans(session, {found.ban for found in rows})
    owners, merged = _owners(session, [found.number for found in rows]), successor_bans(session, hour)
    for found in rows:
        successor = merged.get(found.ban)
        if successor is not None and successor.replaces(found):
            continue  # The exemption that replaces it causes its own notice.
        facts = {**facts_at(bans[found.ban], hour.now), "number": found.number}
        end, state = exemption_end(found), exemption_state(found, hour.now)
        revoked = state is ExemptionState.REVOKED
        if state is ExemptionState.REQUESTED:
            yield _waiting_notice(found, bans[found.ban].authority, facts, hour)
            continue
        for kind, at in (
            (Kind.EXEMPTION_APPROVED, found.approved_s),
            (Kind.EXEMPTION_REJECTED, found.rejected_s),
            (Kind.EXEMPTION_REVOKED, found.revoked_s),
        ):
            # If it was approved and revoked between two looks, only the revocation is reported.
            if at is not None and hour.fresh(at) and not (kind is Kind.EXEMPTION_APPROVED and revoked):
                for owner in owners.get(found.number, ()):
                    yield Due(f"{kind}/{found.number}/{owner}", kind, owner, {**facts, "at_s": at, "until_s": end})
        if found.approved_s is not None and state in APPROVED:
            yield from _ending_notices(found, found.approved_s, owners.get(found.number, ()), facts, hour)


def _waiting_notice(row: ExemptionRow, authority: str, facts: Json, hour: Hour) -> Due:
    kind, key = Kind.EXEMPTION_WAITING, f"{Kind.EXEMPTION_WAITING}/{row.number}"
    waiting = {**facts, "at_s": row.requested_s}
    if hour.now - row.requested_s >= REMINDED_S:
        return Due(f"{key}/again", kind, authority, waiting)
    return Due(key, kind, authority, waiting, (f"{key}/again",))


def _ending_notices(
    row: ExemptionRow, approved_s: int, owners: Sequence[str], facts: Json, hour: Hour
) -> Iterator[Due]:
    end = exemption_end(row)
    reached = threshold(end, approved_s, hour.now, BEFORE_EXEMPTIONS_END_S)
    if reached is None:
        return
    for owner in owners:
        key = f"{Kind.EXEMPTION_ENDING}/{row.number}/{owner}"
        later_keys = tuple(f"{key}/{length}" for length in reached[1])
        yield Due(f"{key}/{reached[0]}", Kind.EXEMPTION_ENDING, owner, {**facts, "until_s": end}, later_keys)


def due_bindings(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about bindings: proposals and ends to the bound authority, its answers to the ban's authority."""
    row = BindingRow
    wanted: ColumnElement[bool] = or_(
        row.recorded_s > hour.oldest, row.accepted_s > hour.oldest, row.ended_s > hour.oldest
    )
    rows = session.scalars(select(row).where(wanted).order_by(row.number)).all()
    bans, merged = _bans(session, {found.ban for found in rows}), successor_bans(session, hour)
    for found in rows:
        if _is_continued_by_merger(found, merged):
            continue
        ban = bans[found.ban]
        facts = {**facts_at(ban, hour.now), "number": found.number, "bound": found.authority}
        facts |= {} if found.link is None else {"link": found.link}
        law = found.ground == Ground.LAW
        if found.ended_s is not None:
            # The end may be in the future. Its notice is due from when it was recorded.
            if found.ended_s > hour.oldest:
                is_withdrawal = found.ended_by == "withdrawal"
                kind = Kind.BINDING_WITHDRAWN if is_withdrawal else Kind.BINDING_ENDED
                to = ban.authority if is_withdrawal else found.authority
                yield Due(f"{kind}/{found.number}", kind, to, {**facts, "at_s": found.ended_s})
            if found.ended_s <= hour.now:
                continue
        if hour.fresh(found.accepted_s):
            accepted = {**facts, "at_s": found.accepted_s}
            yield Due(f"{Kind.BINDING_ACCEPTED}/{found.number}", Kind.BINDING_ACCEPTED, ban.authority, accepted)
        elif found.accepted_s is None and hour.fresh(found.recorded_s):
            kind = Kind.BINDING_BY_LAW if law else Kind.BINDING_PROPOSED
            yield Due(f"{kind}/{found.number}", kind, found.authority, {**facts, "at_s": found.start_s})


def due_mergers(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about bans that continue under a successor, to the authorities that remain bound."""
    for number, successor in successor_bans(session, hour).items():
        for authority in sorted(successor.bound):
            facts = {
                **facts_at(successor.ban, successor.at),
                "former": successor.merged.authority,
                "at_s": successor.at,
            }
            if hour.fresh(successor.at):
                yield Due(f"bound_ban_goes_on/{number}/{authority}", Kind.BOUND_BAN_GOES_ON, authority, facts)


def _is_continued_by_merger(row: BindingRow, merged: Mapping[int, SuccessorBan]) -> bool:
    """Return whether a merger ended the binding and replaced it by another, or made it as such a replacement."""
    successor = merged.get(row.ban)
    if successor is not None and row.ended_s == successor.at:
        # The successor needs no binding to its own ban.
        return bool(row.superseded_by) or row.authority == successor.ban.authority
    return row.ended_s is None and any(successor.created(row) for successor in merged.values())


def due_suspensions(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about starts and early ends of suspensions, to the authorities that the audit log names.

    Those about a suspension of all authorities also go to the installation.
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
                # One act ends all suspensions of an authority: they share one notice.
                yield Due(f"{kind}/{found.authority or ''}/{early}/{to or ''}", kind, to, facts)


def due_captures(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about captures, to the authorities of the ranges."""
    row, kind = CaptureRow, Kind.CAPTURE_STARTED
    for found in session.scalars(select(row).where(row.start_s > hour.oldest).order_by(row.number)):
        if hour.fresh(found.start_s):
            facts: Json = {
                "number": found.number,
                "range": found.prefix,
                "site": found.site,
                "at_s": found.start_s,
                "until_s": found.end_s,
                "deleted_s": found.end_s + CAPTURE_KEPT_S,
            }
            yield Due(f"{kind}/{found.number}", kind, found.authority, facts)


def _recorded(session: Session, hour: Hour) -> Mapping[tuple[str, int], Sequence[str]]:
    """Return the authorities that the audit log names for acts on suspensions, by act and number."""
    acts = AuditRow.act.in_(("suspension.start", "suspension.end"))
    entries = select(AuditRow.act, AuditRow.object, AuditRow.authorities).where(acts, AuditRow.time_s > hour.oldest)
    return {
        (act, int(subject.rpartition("/")[2])): authorities for act, subject, authorities in session.execute(entries)
    }


def _recipients(row: SuspensionRow, recorded: Sequence[str]) -> Sequence[str | None]:
    return recorded if row.authority is not None else (None, *recorded)


def _scope(row: SuspensionRow, to: str | None) -> Json:
    """Return the suspended authority. `binds` says that the suspension disables bans of the recipient there."""
    scope: Json = {"scope": row.authority}
    return {**scope, "binds": True} if row.authority not in (None, to) else scope


def _still(holding: Sequence[SuspensionRow], scope: str | None) -> Json:
    """Return until when another suspension still holds for `scope`; nothing if its bans apply again."""
    ends = [finish(row) for row in holding if row.authority in (None, scope)]
    return {"still_s": max(ends)} if ends else {}


def _bans(session: Session, numbers: set[int]) -> Mapping[int, BanRow]:
    if not numbers:
        return {}
    return {row.number: row for row in session.scalars(select(BanRow).where(BanRow.number.in_(numbers)))}


def _owners(session: Session, numbers: Sequence[int]) -> Mapping[int, list[str]]:
    """Return the authorities of the ranges of each exemption."""
    found: dict[int, list[str]] = {}
    if numbers:
        statement = select(ConcernRow).where(ConcernRow.exemption.in_(numbers)).order_by(ConcernRow.authority)
        for row in session.scalars(statement):
            found.setdefault(row.exemption, []).append(row.authority)
    return found
