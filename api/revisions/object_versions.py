"""Convert versions of objects to the form and the names of the audit log."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from api.authorities.service import shown as authority_shown
from api.bans.reading import shown as ban_shown
from api.bindings.reading import NOT_STORED, read_binding
from api.db.base import Base, Json
from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    FleetNameRow,
    RangeRow,
    ServiceRow,
    SiteRow,
    SuspensionRow,
    VersionRow,
)
from api.db.subjects import subject
from api.db.time_zones import time_zone_of
from api.db.versions import KINDS
from api.exemptions.reading import shown_exemption
from api.fleets.reading import shown_name
from api.names.reading import shown as name_shown
from api.publish.past_policies import row_of
from api.ranges.reading import read_site
from api.ranges.service import shown as range_shown
from api.revisions.schemas import ChangeRead
from api.suspensions.service import shown as suspension_shown
from api.updates.reading import shown_service
from dnsfilter.policy.model import Instant


def changes(
    session: Session, rows: Sequence[VersionRow], before: Mapping[tuple[str, str], VersionRow], at: Instant
) -> list[ChangeRead]:
    """Return each version with the one that it replaced."""
    reader = _Reader(session, at)
    found = []
    for row in rows:
        replaced = before.get((row.kind, row.key))
        was = reader.row(row.kind, replaced.body) if replaced is not None else None
        became = reader.row(row.kind, row.body)
        named = became if became is not None else was
        if named is None:
            # Skip an object that was made and removed in one revision.
            continue
        found.append(
            ChangeRead(
                kind=row.kind,
                key=row.key,
                object=subject(named),
                before=reader.shown(was),
                after=reader.shown(became),
            )
        )
    return found


class _Reader:
    """Convert stored versions to the form of the audit log.

    Bans and authorities that no longer exist are named by number or slug.
    """

    def __init__(self, session: Session, at: Instant) -> None:
        self._session = session
        self._at = at

    def row(self, kind: str, body: Json | None) -> Base | None:
        """Return the row of a stored version, which belongs to no session."""
        return None if body is None else row_of(KINDS[kind], body)

    def shown(self, row: Base | None) -> Json | None:
        """Return the row as the audit log stores it."""
        match row:
            case None:
                return None
            case AuthorityRow():
                return authority_shown(row)
            case SiteRow():
                return read_site(row).model_dump(mode="json", exclude={"revision"})
            case RangeRow():
                return range_shown(row)
            case ServiceRow():
                return shown_service(row)
            case BanRow():
                return ban_shown(self._session, row, self._at, time_zone_of(self._session, row.authority))
            case AllowedNameRow():
                return name_shown(row)
            case FleetNameRow():
                return shown_name(row)
            case BindingRow():
                read = read_binding(row, self._reference(row.ban), self._at, time_zone_of(self._session, row.authority))
                return read.model_dump(mode="json", exclude=NOT_STORED)
            case ExemptionRow():
                return shown_exemption(row, self._reference(row.ban))
            case SuspensionRow():
                return suspension_shown(row)
            case _:
                raise TypeError(f"no version is kept of {type(row).__name__}")

    def _reference(self, number: int) -> str:
        row = self._session.get(BanRow, number)
        return f"{number}" if row is None else f"{row.authority}/{row.service}"
