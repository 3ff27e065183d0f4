"""Request and response schemas of the catalogue."""

from datetime import date
from typing import Annotated

from pydantic import StringConstraints

from api.http.schemas import Read, Strict, Timestamp
from api.updates.schemas import UpdateRead

MAX_CHARACTERS = 1024 * 1024


class PackagedCatalogueRead(Read):
    """The catalogue of the release."""

    number: int
    made: date | None


class LoadedCatalogueRead(Read):
    """A signed catalogue that was loaded."""

    number: int
    made: date
    sha256: str
    key: str
    loaded: Timestamp
    loaded_by: int


class CatalogueRead(Read):
    """Which catalogue is in force: the one with the higher number."""

    number: int
    packaged: PackagedCatalogueRead
    last_loaded: LoadedCatalogueRead | None
    trusted_key: str
    revision: int


class AddedServiceRead(Read):
    """A service that a loaded catalogue added. No ban names it yet."""

    slug: str
    name: str
    category: str


class CatalogueLoadingRead(Read):
    """What loading a catalogue did: the updates of services, each in force, pending or held back, and new services."""

    last_loaded: LoadedCatalogueRead
    updates: list[UpdateRead]
    new_services: list[AddedServiceRead]
    revision: int


class CatalogueWrite(Strict):
    """A signed catalogue, as text."""

    file: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
