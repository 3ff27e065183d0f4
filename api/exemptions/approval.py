"""Who may approve which request for an exemption."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.auth.caller import Permit
from api.auth.permissions import Role
from api.db.models import BanRow, ExemptionRow, RangeRow
from api.db.unit import UnitOfWork
from api.errors import Forbidden
from api.exemptions import repository
from api.exemptions.schemas import ExemptionState, exemption_state
from dnsfilter.policy.model import Instant

OWN = "nobody approves a request of their own: somebody else has to"


def demand(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raises Forbidden where the caller, who may decide about exemptions from the ban, may not approve this one."""
    permit.not_for_oneself(unit.session, row.requested_by, OWN)
    if exemption_state(row, unit.now_s) is not ExemptionState.REQUESTED:
        return
    ban = unit.session.get_one(BanRow, row.ban)
    whole, roles = whole_authority(unit.session, row, ban, unit.now_s), permit.rule.roles
    if whole is not None:
        roles = frozenset({Role.ADMINISTRATOR})
        if not permit.caller.administers:
            raise Forbidden(f"this would exempt the whole of {whole}: an administrator approves that")
    permit.not_given_by(unit.session, row.requested_by, roles, ban.authority, unit.now_s, OWN)


def whole_authority(session: Session, row: ExemptionRow, ban: BanRow, now: Instant) -> str | None:
    """An authority of which no range that the ban covers is left by the exemption and the approved ones of its time.

    Of weekly hours nothing is believed: they may add up to a whole week. Ranges that the ban does not cover do not
    count, unless it covers none: its scope may be widened.
    """
    named = {(row.site, prefix) for prefix in row.ranges}
    for other in _overlapping(session, row, now):
        named |= {(other.site, prefix) for prefix in other.ranges}
    for owner in sorted(set(repository.owners(session, row.site, row.ranges).values())):
        registered = session.scalars(select(RangeRow).where(RangeRow.authority == owner)).all()
        covered = [item for item in registered if item.funding in ban.funding and item.audience in ban.audience]
        if {(item.site, item.prefix) for item in covered or registered} <= named:
            return owner
    return None


def _overlapping(session: Session, row: ExemptionRow, now: Instant) -> list[ExemptionRow]:
    """The other approved exemptions from the same ban that have effect while this one would."""
    other, begin = ExemptionRow, max(row.start_s, now)
    statement = select(other).where(
        other.ban == row.ban,
        other.number != row.number,
        other.approved_s.is_not(None),
        other.rejected_s.is_(None),
        other.start_s < row.end_s,
        other.end_s > begin,
        or_(other.revoked_s.is_(None), other.revoked_s > begin),
    )
    return list(session.scalars(statement))
