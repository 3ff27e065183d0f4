"""Convert loaded catalogues to API answers and audit log entries."""

from datetime import date

from sqlalchemy.orm import Session

from api.catalogue import repository
from api.catalogue.schemas import (
    AddedServiceRead,
    CatalogueRead,
    LoadedCatalogueRead,
    PackagedCatalogueRead,
)
from api.db.base import Json
from api.db.models import LoadedCatalogueRow, ServiceRow
from api.timestamps import timestamp_text
from blocklists.catalogue import Catalogue


def read_catalogue(session: Session, packaged: Catalogue, trusted_key: str) -> CatalogueRead:
    """Return which catalogue is in force."""
    row = repository.newest(session)
    return CatalogueRead(
        number=packaged.number if row is None else max(row.number, packaged.number),
        packaged=PackagedCatalogueRead(number=packaged.number, made=packaged.made),
        last_loaded=None if row is None else read_loaded(row),
        trusted_key=trusted_key,
        revision=0 if row is None else row.revision,
    )


def read_loaded(row: LoadedCatalogueRow) -> LoadedCatalogueRead:
    """Return a loaded catalogue as the API shows it."""
    return LoadedCatalogueRead(
        number=row.number,
        made=date.fromisoformat(row.made),
        sha256=row.sha256,
        key=row.key,
        loaded=timestamp_text(row.loaded_s),
        loaded_by=row.loaded_by,
    )


def read_added(row: ServiceRow) -> AddedServiceRead:
    """Return a new service of a loaded catalogue."""
    return AddedServiceRead(slug=row.slug, name=row.name, category=row.category)


def shown_catalogue(row: LoadedCatalogueRow) -> Json:
    """Return a loaded catalogue as the audit log stores it."""
    return read_loaded(row).model_dump(mode="json", exclude={"loaded", "loaded_by"})
