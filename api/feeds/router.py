"""/v1/authorities/{slug}/services/{service}/feed: the feed of an own service."""

from typing import Annotated

from fastapi import APIRouter, Response

from api.db.models import FeedRow, ServiceRow
from api.feeds import repository, service
from api.feeds.reading import read_feed
from api.feeds.schemas import FeedRead, FeedWrite
from api.http.dependencies import UnitDep, tag
from api.http.path_rows import row_to_change, row_to_read
from api.http.permits import OperatorOfPath, ReaderOfPath
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import OwnSlug, Slug
from api.services import repository as services

router = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}/services/{service}/feed", tags=["services"])


async def by_service(slug: Slug, service: OwnSlug) -> tuple[str, str]:
    """Read `{slug}` and `{service}`."""
    return slug, service


Fed = Annotated[ServiceRow, row_to_read(by_service, services.get)]
Shown = Annotated[FeedRow, row_to_read(by_service, repository.get)]
Changed = Annotated[FeedRow, row_to_change(by_service, repository.get)]
Put = Annotated[FeedRow | None, row_to_change(by_service, repository.find)]


@router.get("", summary="Get a feed", responses=documented(NOT_FOUND))
def get_feed(row: Shown, _unit: UnitDep, _permit: ReaderOfPath, response: Response) -> FeedRead:
    """Get the feed of an own service, and how its last fetches went."""
    return _answer(row, response)


@router.put(
    "",
    summary="Set a feed",
    responses={**documented(NOT_FOUND), 201: {"model": FeedRead, "description": "set"}},
)
def put_feed(
    fed: Fed, row: Put, body: FeedWrite, unit: UnitDep, permit: OperatorOfPath, response: Response
) -> FeedRead:
    """Let the names of an own service come from a list on an https server, or in a file of the control plane.

    The control plane fetches it at once, and again after `every_hours`. Each new list is an update: see
    `/v1/updates`. What was in force stays if a list cannot be fetched or read. A server at a private address needs
    `DNSFILTER_API_FEED_NETWORKS`, a file `DNSFILTER_API_FEED_DIR`. If the authority requires an approver for less
    refusing, only an approver sets a feed.
    """
    response.status_code = 201 if row is None else 200
    return _answer(service.put(unit, permit, fed, row, body), response)


@router.delete("", summary="Remove a feed", status_code=204, responses=documented(NOT_FOUND))
def remove_feed(row: Changed, unit: UnitDep, _permit: OperatorOfPath) -> None:
    """Remove the feed of an own service. The names that it brought stay."""
    service.remove(unit, row)


@router.post("/fetch", summary="Fetch a feed now", responses=documented(NOT_FOUND))
def fetch_feed(row: Changed, unit: UnitDep, _permit: OperatorOfPath, response: Response) -> FeedRead:
    """Let the feed be fetched within seconds, also if its source says that nothing has changed.

    The answer does not wait for it: `fetched` changes when it is done.
    """
    service.ask(unit, row)
    return _answer(row, response)


def _answer(row: FeedRow, response: Response) -> FeedRead:
    tag(response, row.revision)
    return read_feed(row)
