"""/v1/captures."""

from typing import Annotated

from fastapi import APIRouter

from api.captures import repository, service
from api.captures.reading import read_capture
from api.captures.schemas import CaptureEnding, CaptureRead, CaptureWrite
from api.db.models import CaptureRow
from api.http.dependencies import UnitDep
from api.http.parameters import AuthorityFilter, PagingDep
from api.http.path_rows import by_number, row_to_read
from api.http.permits import Administrator, ReaderOfSome
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page

router = APIRouter(route_class=Route, prefix="/v1/captures", tags=["captures"])

Shown = Annotated[CaptureRow, row_to_read(by_number, repository.get)]


@router.get("", summary="List captures")
def list_captures(
    unit: UnitDep, permit: ReaderOfSome, authority: AuthorityFilter, paging: PagingDep
) -> Page[CaptureRead]:
    """List captures, newest first. Recorded queries are in no answer: they stay on the nodes."""
    rows, following = repository.page(unit.session, permit.visible(), authority, paging)
    return Page(items=[read_capture(row, unit.now_s) for row in rows], next=following)


@router.post("", summary="Record the queries of a range, for a fault", status_code=201)
def start_capture(body: CaptureWrite, unit: UnitDep, _permit: Administrator) -> CaptureRead:
    """Have the nodes of a site write the queries of one registered range to a file, for at most an hour.

    The authority's contact gets a notice. Nodes begin with their next report, within about ten seconds. A file stays on
    its node, and is deleted 24 hours after the end. Nodes keep at most 8 captures.
    """
    row = service.start(unit, body)
    return read_capture(row, unit.now_s)


@router.post("/{number}/end", summary="End a capture, or delete it", responses=documented(NOT_FOUND))
def end_capture(row: Shown, body: CaptureEnding, unit: UnitDep, _permit: Administrator) -> CaptureRead:
    """End the capture now. With `delete`, nodes also delete its file, with their next report."""
    service.end(unit, row, body.reason, delete=body.delete)
    return read_capture(row, unit.now_s)
