"""/v1/captures."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.captures import repository, service
from api.captures.reading import read_capture
from api.captures.schemas import CaptureEnding, CaptureRead, CaptureWrite
from api.http.dependencies import UnitDep
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit
from api.http.permits import Administrator, ReaderOfSome
from api.http.prefixes import parse_prefix
from api.http.problems import CONFLICT, NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page
from dnsfilter.policy.calendar import parse_duration

router = APIRouter(route_class=Route, prefix="/v1/captures", tags=["captures"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("", operation_id="list_captures", summary="List captures", responses=documented())
def list_captures(
    unit: UnitDep, permit: ReaderOfSome, authority: AuthorityFilter, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[CaptureRead]:
    """List captures, newest first. Recorded queries are in no answer: they stay on the nodes."""
    rows, following = repository.page(unit.session, permit.visible(), authority, limit, cursor)
    return Page(items=[read_capture(row, unit.now_s) for row in rows], next=following)


@router.post(
    "",
    operation_id="start_capture",
    summary="Record the queries of a range, for a fault",
    status_code=201,
    responses=documented(CONFLICT),
)
def start_capture(body: CaptureWrite, unit: UnitDep, _permit: Administrator) -> CaptureRead:
    """Have the nodes of a site write the queries of one registered range to a file, for at most an hour.

    The authority's contact gets a notice. Nodes begin with their next report, within about ten seconds. A file stays on
    its node, and is deleted 24 hours after the end. Nodes keep at most 8 captures.
    """
    prefix = parse_prefix(body.prefix, "body.prefix")
    row = service.start(unit, body.authority, body.site, prefix, parse_duration(body.for_), body.reason)
    return read_capture(row, unit.now_s)


@router.post(
    "/{number}/end",
    operation_id="end_capture",
    summary="End a capture, or delete it",
    responses=documented(NOT_FOUND, CONFLICT),
)
def end_capture(number: Number, body: CaptureEnding, unit: UnitDep, _permit: Administrator) -> CaptureRead:
    """End the capture now. With `delete`, nodes also delete its file, with their next report."""
    row = repository.get(unit.session, number)
    service.end(unit, row, body.reason, delete=body.delete)
    return read_capture(row, unit.now_s)
