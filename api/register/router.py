"""/v1/register: what authorities publish, without a token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.dependencies import RuntimeDep, part_of
from api.http.parameters import PagingDep
from api.http.permits import Anybody
from api.http.problems import INVALID, NOT_FOUND, responses_of
from api.http.routes import Route
from api.http.schemas import Page, Slug
from api.register import repository
from api.register.reading import read_entry
from api.register.schemas import RegisterEntryRead, RegisterRead
from api.register.service import KEPT_S, Registers

CACHING = f"public, max-age={KEPT_S}"

router = APIRouter(route_class=Route, prefix="/v1/register", tags=["register"])


async def registers(request: Request) -> Registers:
    """Return the application's registers."""
    return part_of(request, "registers", Registers)


RegistersDep = Annotated[Registers, Depends(registers)]


@router.get("", summary="List public registers", responses=responses_of(INVALID))
def list_registers(
    held: RuntimeDep, _permit: Anybody, paging: PagingDep, response: Response
) -> Page[RegisterEntryRead]:
    """List the authorities that publish a register, by slug."""
    with held.database.reading() as session:
        rows, following = repository.page(session, paging)
        response.headers["Cache-Control"] = CACHING
        return Page(items=[read_entry(row) for row in rows], next=following)


@router.get("/{slug}", summary="Get a public register", responses=responses_of(INVALID, NOT_FOUND))
def get_register(
    slug: Slug, held: RuntimeDep, _permit: Anybody, kept: RegistersDep, response: Response
) -> RegisterRead:
    """Get the bans in force of an authority that publishes them. An unknown authority has the same answer as others."""
    with held.database.reading() as session:
        found = kept.get(session, slug, held.publishing.services(), int(held.clock()))
    response.headers["Cache-Control"] = CACHING
    return found
