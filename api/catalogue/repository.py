"""Queries on loaded catalogues."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import LoadedCatalogueRow
from api.services import repository as services
from blocklists.catalogue import Catalogue


def newest(session: Session) -> LoadedCatalogueRow | None:
    """Return the loaded catalogue with the highest number, if any was loaded."""
    return session.scalar(select(LoadedCatalogueRow).order_by(LoadedCatalogueRow.number.desc()).limit(1))


def categories_in_force(session: Session, packaged: Catalogue) -> Mapping[str, str]:
    """Return the category of each service of the catalogue in force, by slug."""
    loaded = {row.slug: row.category for row in services.catalogue_rows(session)}
    return {**{entry.slug: str(entry.category) for entry in packaged.entries}, **loaded}
