"""/v1/suspensions/local: local suspensions, from the last reports of nodes."""

from collections.abc import Iterable

from fastapi import APIRouter

from api.auth.roles import AUDITORS
from api.http.dependencies import UnitDep
from api.http.pagination import cut_page, decode_cursor
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit, SiteFilter
from api.http.permits import AnyAccount
from api.http.problems import documented
from api.http.routes import Route
from api.http.schemas import Page
from api.local_suspensions.service import LocalSuspension, current_local_suspensions
from api.node_api.node_permits import FleetDep
from api.suspensions.schemas import LocalSuspensionRead
from api.timestamps import stored_instant, timestamp_text

router = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])


@router.get(
    "/local",
    operation_id="list_local_suspensions",
    summary="List local suspensions",
    responses=documented(),
)
def list_local_suspensions(
    unit: UnitDep,
    permit: AnyAccount,
    fleet: FleetDep,
    authority: AuthorityFilter,
    site: SiteFilter,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[LocalSuspensionRead]:
    """List local suspensions in force, by node. The control plane knows one once the node has reported it.

    With `authority`, list those that concern it: its own and those of all authorities.
    """
    after = decode_cursor(cursor, str) if cursor is not None else ""
    reported: Iterable[LocalSuspensionRead] = map(
        _read, current_local_suspensions(unit.session, fleet.reports, unit.now_s)
    )
    if not permit.caller.has(AUDITORS, None):
        reported = _without_node_names(reported)
    found = sorted(reported, key=_position)
    wanted = [
        one
        for one in found
        if _position(one) > after and authority in (None, one.authority or authority) and site in (None, one.site)
    ]
    shown, following = cut_page(wanted[: limit + 1], limit, _position)
    return Page(items=list(shown), next=following)


def _read(one: LocalSuspension) -> LocalSuspensionRead:
    return LocalSuspensionRead(node=one.node, site=one.site, authority=one.authority, until=timestamp_text(one.until_s))


def _without_node_names(found: Iterable[LocalSuspensionRead]) -> Iterable[LocalSuspensionRead]:
    """Return the longest suspension of each site and authority, without the node's name."""
    longest: dict[tuple[str, str | None], LocalSuspensionRead] = {}
    for one in sorted(found, key=lambda one: stored_instant(one.until)):
        longest[one.site, one.authority] = one.model_copy(update={"node": None})
    return longest.values()


def _position(one: LocalSuspensionRead) -> str:
    """Return the sort key: a suspension of all comes before those of single authorities."""
    return f"{one.node or ''} {one.site} {one.authority or ''}"
