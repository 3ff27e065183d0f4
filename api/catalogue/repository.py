"""Queries on loaded catalogues."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import LoadedCatalogueRow


def newest(session: Session) -> LoadedCatalogueRow | None:
    """Return the loaded catalogue with the highest number, if any was loaded."""
    return session.scalar(select(LoadedCatalogueRow).order_by(LoadedCatalogueRow.number.desc()).limit(1))
