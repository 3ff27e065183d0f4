"""Notices about new names of services, to the authority of the service, or to the installation for the catalogue."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import UpdateRow
from api.notices.kinds import Due, Hour, Kind
from api.updates.schemas import Outcome


def due_updates(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice for each update that is held back."""
    row, kind = UpdateRow, Kind.UPDATE_HELD_BACK
    for found in session.scalars(select(row).where(row.outcome == Outcome.HELD_BACK).order_by(row.number)):
        if hour.fresh(found.proposed_s):
            facts = {"service": found.service, "number": found.number, "at_s": found.proposed_s}
            yield Due(f"{kind}/{found.number}", kind, found.authority, facts)
