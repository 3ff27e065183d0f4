"""/v1/suspensions/local: what was suspended on nodes themselves, as they reported it last."""

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
from api.local_suspensions.service import LocalSuspension, held_locally
from api.node_api.node_permits import FleetDep
from api.suspensions.schemas import LocalSuspensionRead
from api.timestamps import parse_timestamp, timestamp_text

local = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])


@local.get(
    "/local",
    operation_id="list_local_suspensions",
    summary="List suspensions that were made on nodes",
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
    """Those in force, by node: made without the control plane, and known here once the node has reported.

    With `authority` those that concern it: its own, and those of all.
    """
    after = decode_cursor(cursor, str) if cursor is not None else ""
    reported: Iterable[LocalSuspensionRead] = map(_read, held_locally(unit.session, fleet.board, unit.now_s))
    if not permit.caller.has(AUDITORS, None):
        reported = _without_names(reported)
    found = sorted(reported, key=_place)
    wanted = [
        one
        for one in found
        if _place(one) > after and authority in (None, one.authority or authority) and site in (None, one.site)
    ]
    shown, following = cut_page(wanted[: limit + 1], limit, _place)
    return Page(items=list(shown), next=following)


def _read(one: LocalSuspension) -> LocalSuspensionRead:
    return LocalSuspensionRead(node=one.node, site=one.site, authority=one.authority, until=timestamp_text(one.until_s))


def _without_names(found: Iterable[LocalSuspensionRead]) -> Iterable[LocalSuspensionRead]:
    """Of each site and authority the one that holds longest."""
    longest: dict[tuple[str, str | None], LocalSuspensionRead] = {}
    for one in sorted(found, key=lambda one: parse_timestamp(one.until, "UTC")):
        longest[one.site, one.authority] = one.model_copy(update={"node": None})
    return longest.values()


def _place(one: LocalSuspensionRead) -> str:
    """Where it comes in the list: that of all before those of single authorities."""
    return f"{one.node or ''} {one.site} {one.authority or ''}"
