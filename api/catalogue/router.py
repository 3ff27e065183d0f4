"""/v1/catalogue: which catalogue is in force, and loading a signed one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.catalogue import repository, service
from api.catalogue.reading import read_added, read_catalogue, read_loaded
from api.catalogue.schemas import CatalogueLoadingRead, CatalogueRead, CatalogueWrite
from api.catalogue.service import SignedFile
from api.errors import Conflict, Invalid
from api.http.dependencies import PreconditionDep, Runtime, RuntimeDep, UnitDep, sent_body, tag
from api.http.file_bodies import JSON, FileBody
from api.http.permits import Administrator, AnyAccount
from api.http.problems import NOT_PUBLISHED, TOO_LARGE, documented
from api.http.routes import Route
from api.http.schemas import validated_json
from api.updates.reading import read_update
from blocklists.signed_catalogue import Refusal, RefusedCatalogue, open_catalogue
from dnsfilter.telemetry.logs import emit

MEDIA_TYPE = "application/octet-stream"

log = logging.getLogger("dnsfilter.api")
router = APIRouter(route_class=Route, prefix="/v1/catalogue", tags=["catalogue"])


class SignedBody(FileBody[CatalogueWrite]):
    """The bytes of a signed catalogue: a damaged one is refused with its reason, also if it is not UTF-8."""

    def __call__(self, request: Request, body: Annotated[bytes, Depends(sent_body)]) -> bytes:  # type: ignore[override]
        """Read the body."""
        return validated_json(self.model, body).file.encode() if request.scope["media_type"] == JSON else body


SIGNED = SignedBody(MEDIA_TYPE, CatalogueWrite)


@contextmanager
def _refusals(held: Runtime) -> Iterator[None]:
    """Count and log a refused catalogue. Raise Invalid or Conflict for it."""
    try:
        yield
    except RefusedCatalogue as error:
        held.refused_catalogues[error.reason] += 1
        emit(log, logging.WARNING, "catalogue refused", reason=error.reason, detail=str(error))
        if error.reason in (Refusal.NO_KEY, Refusal.NOT_NEWER):
            raise Conflict(str(error)) from error
        raise Invalid.at("body", str(error)) from error


def read_file(data: Annotated[bytes, Depends(SIGNED)], held: RuntimeDep) -> SignedFile:
    """Return the catalogue of the request, once its sender is authorized."""
    key = held.settings.catalogue_key
    with held.database.reading() as session:
        newest = service.number_in_force(session, held.catalogue)
    with _refusals(held):
        return SignedFile(open_catalogue(data, key, newest), sha256(data).hexdigest(), key)


@router.get("", summary="Get the catalogue in force")
def get_catalogue(unit: UnitDep, _permit: AnyAccount, held: RuntimeDep, response: Response) -> CatalogueRead:
    """Get the numbers of the packaged and of the loaded catalogue: the higher one is in force."""
    found = read_catalogue(unit.session, held.catalogue, held.settings.catalogue_key)
    tag(response, found.revision)
    return found


@router.put("", summary="Load a catalogue", responses=documented(TOO_LARGE, NOT_PUBLISHED))
def load_catalogue(
    file: Annotated[SignedFile, Depends(read_file)],
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    precondition: PreconditionDep,
    response: Response,
) -> CatalogueLoadingRead:
    """Load a signed catalogue between releases. It must be newer, and signed under the key of `catalogue_key`.

    Each service takes effect by an update of its own: new names are monitored for 72 hours first, and a list that hits
    the guard is held back. Services that the file lacks stay as they are.
    """
    # Keep the order of the parameters: the file is read before the transaction begins.
    newest = repository.newest(unit.session)
    precondition.check(0 if newest is None else newest.revision)
    with _refusals(held):
        done = service.load(unit, file, held.catalogue)
    tag(response, done.row.revision)
    return CatalogueLoadingRead(
        last_loaded=read_loaded(done.row),
        updates=[read_update(row, unit.now_s) for row in done.updates],
        new_services=[read_added(row) for row in done.added],
        revision=done.row.revision,
    )
