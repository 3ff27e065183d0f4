"""/v1/suspensions/by-hand: what was suspended on nodes themselves, as they reported it last."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.permissions import OF_OPERATION
from api.db.models import AuthorityRow, NodeRow
from api.deps import PermitDep, UnitDep
from api.moments import moment_text, parse_moment
from api.nodes.callers import FleetDep
from api.nodes.fleet import Fleet
from api.pagination import DEFAULT_LIMIT, Cursor, Limit, cut_page, decode_cursor
from api.problems import documented
from api.routing import Route
from api.schemas import Page, Read, Slug
from api.suspensions.router import Concerning
from dnsfilter.policy.model import Instant

local = APIRouter(route_class=Route, prefix="/v1/suspensions", tags=["suspensions"])


class ByHandRead(Read):
    """Nothing is refused by a node for `authority` (null: for all) until `until`, as somebody told it there."""

    node: Slug | None = Field(description="null for whoever may not list nodes: then one stands for all of the site")
    site: Slug
    authority: Slug | None
    until: str


@local.get(
    "/by-hand",
    operation_id="list_suspensions_by_hand",
    summary="List suspensions that were made on nodes",
    responses=documented(),
)
def list_suspensions_by_hand(
    unit: UnitDep,
    permit: PermitDep,
    fleet: FleetDep,
    authority: Concerning = None,
    site: Slug | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ByHandRead]:
    """Those in force, by node: made without the control plane, and known here once the node has reported."""
    after = decode_cursor(cursor, str) if cursor is not None else ""
    reported: Iterable[ByHandRead] = _in_force(unit.session, fleet, unit.now_s)
    if not permit.caller.has(OF_OPERATION["list_nodes"].roles, None):
        reported = _without_names(reported)
    found = sorted(reported, key=_place)
    wanted = [
        one
        for one in found
        if _place(one) > after and authority in (None, one.authority or authority) and site in (None, one.site)
    ]
    shown, following = cut_page(wanted[: limit + 1], limit, _place)
    return Page(items=list(shown), next=following)


def _in_force(session: Session, fleet: Fleet, now_s: Instant) -> Iterator[ByHandRead]:
    known = {None, *session.scalars(select(AuthorityRow.slug))}
    columns = (NodeRow.number, NodeRow.name, NodeRow.site, NodeRow.report)
    for row in session.execute(select(*columns).where(NodeRow.removed_s.is_(None), NodeRow.enrolled_s.is_not(None))):
        heard = fleet.board.heard(row.number)
        for one in (row.report if heard is None else heard.body).get("suspended", ()):
            until_s = parse_moment(one["until"], "UTC")
            if until_s > now_s and one["authority"] in known:
                until = moment_text(until_s)
                yield ByHandRead(node=row.name, site=row.site, authority=one["authority"], until=until)


def _without_names(found: Iterable[ByHandRead]) -> Iterable[ByHandRead]:
    """Of each site and authority the one that holds longest."""
    longest: dict[tuple[str, str | None], ByHandRead] = {}
    for one in sorted(found, key=lambda one: parse_moment(one.until, "UTC")):
        longest[one.site, one.authority] = one.model_copy(update={"node": None})
    return longest.values()


def _place(one: ByHandRead) -> str:
    """Where it comes in the list: that of all before those of single authorities."""
    return f"{one.node or ''} {one.site} {one.authority or ''}"
