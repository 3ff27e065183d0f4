"""/v1/ranges/import: many ranges at once, from a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.auth.caller import Permit
from api.errors import Forbidden, Invalid, NotFound, Withheld
from api.exemptions.approval import leaving_some
from api.http import idempotency
from api.http.dependencies import PermitDep, Runtime, RuntimeDep, UnitDep
from api.http.file_bodies import FileBody
from api.http.parameters import demand_authority, demand_site
from api.http.permits import AnyAccount, OperatorOfObject
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, TOO_LARGE, WITHHELD, documented
from api.http.routes import Route
from api.http.schemas import Slug
from api.range_import.csv_table import MAX_ROWS, MEDIA_TYPE, Table, parse_table, read_rows
from api.range_import.running import Import, imports_of
from api.range_import.service import DEFAULT_REMOVALS, Plan, Sync, Wanted, carry_out, make_plan
from api.ranges.schemas import ImportProgressRead, ImportRead, RangeChangeRead, RangesWrite, Stage
from dnsfilter.policy.model import DEFAULT_SITE

MAX_TOLD, MAX_NAMED = 200, 3

tables = APIRouter(route_class=Route, prefix="/v1/ranges", tags=["ranges"])

TABLE = FileBody(MEDIA_TYPE, RangesWrite)

DryRun = Annotated[bool, Query(description="only tell what would be done")]
Synced = Annotated[
    bool, Query(alias="sync", description="also remove what `authority` has at `site` and not in the file")
]
Removals = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_ROWS,
        description=f"with `sync`: where more would be removed ({DEFAULT_REMOVALS}), nothing is done; a file without "
        "rows removes nothing unless it is given",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A table that was read and found to be one that can be taken, as far as is known before it is its turn."""

    wanted: Wanted
    watched: Import


def asked(
    request: Request,
    permit: PermitDep,
    file: Annotated[str | RangesWrite, Depends(TABLE)],
    held: RuntimeDep,
    sync: Synced = False,
    authority: Slug | None = None,
    site: Slug = DEFAULT_SITE,
    max_removals: Removals = None,
    dry_run: DryRun = False,
) -> Iterator[Asked]:
    """The table; raises BadRows, Conflict and Withheld before anybody else has to wait for it."""
    if sync != (authority is not None):
        raise Invalid.at("query.authority", "name it with `sync`, and only then: whose ranges the file has")
    key = request.headers.get(idempotency.HEADER)
    with imports_of(request).watched(request, permit.caller.account, key) as watched:
        table = _read(file, site, watched)
        sync_of = Sync(authority, site, max_removals) if authority is not None else None
        wanted = Wanted(table.rows, sync_of, table.faults, table.where)
        _check(held, permit, wanted, site, dry_run=dry_run)
        watched.enter(Stage.WAITING, len(table.rows))
        yield Asked(wanted, watched)


def _check(held: Runtime, permit: Permit, wanted: Wanted, site: str, *, dry_run: bool) -> None:
    """Raise what prevents the import, as far as that is known before its turn to write."""
    authority = None if wanted.sync is None else wanted.sync.authority
    whose = {row.value.authority for row in wanted.rows} | ({authority} if authority is not None else set())
    _demand(permit, whose)
    with held.database.reading() as session:
        demand_site(session, site)
        if authority is not None:
            demand_authority(session, authority)
        now_s = int(held.clock())
        plan = make_plan(session, wanted, permit.visible(), now_s, administers=permit.caller.administers)
    if plan.withheld and not dry_run:
        raise Withheld(f"{plan.withheld}: nothing was done")


def _read(file: str | RangesWrite, site: str, watched: Import) -> Table:
    if isinstance(file, str):
        watched.enter(Stage.CHECKING, file.count("\n"))
        return parse_table(file, site, watched.reach)
    watched.enter(Stage.CHECKING, len(file.rows))
    return read_rows((row.model_dump(mode="json", exclude_none=True) for row in file.rows), site)


def _demand(permit: Permit, whose: set[str]) -> None:
    """Raises Forbidden where the caller acts for none of those whose ranges the file has."""
    own = permit.visible()
    if own is not None and whose and not own & whose:
        named = sorted(whose)[:MAX_NAMED]
        raise Forbidden(f"this needs the role operator of {' or '.join(named)}{permit.ended(named)}")


@tables.post(
    "/import",
    operation_id="import_ranges",
    summary="Import ranges",
    responses=documented(CONFLICT, WITHHELD, TOO_LARGE, NOT_PUBLISHED),
)
def import_ranges(
    table: Annotated[Asked, Depends(asked, scope="function")],
    unit: UnitDep,
    permit: OperatorOfObject,
    dry_run: DryRun = False,
) -> ImportRead:
    """Registers and changes what a table has, in one revision, or nothing.

    Each row that cannot be taken is a fault, with its line. An operator imports for its authorities, inside their
    space. With an `Idempotency-Key`, `/v1/ranges/imports/{key}` tells meanwhile how far it is.
    """
    # The parameters' order counts: the table is read and compared before the transaction begins.
    unit.rehearsing = dry_run
    plan = make_plan(unit.session, table.wanted, permit.visible(), unit.now_s, administers=permit.caller.administers)
    if not dry_run:
        with leaving_some(
            unit, permit, {known.authority for known in (*plan.remove, *(held for held, _ in plan.change))}
        ):
            carry_out(unit, plan, table.watched)
        table.watched.enter(Stage.PUBLISHING, plan.count)
    return _told(plan, unit.revision, dry_run)


@tables.get(
    "/imports/{key}",
    operation_id="get_import",
    summary="Tell how far an import is",
    responses=documented(NOT_FOUND),
)
def get_import(
    key: Annotated[str, Path(max_length=idempotency.MAX_KEY, description="its Idempotency-Key")],
    request: Request,
    unit: UnitDep,
    permit: AnyAccount,
) -> ImportProgressRead:
    """Reports the caller's own import with that key; 404 for an unknown key, and until the table has arrived.

    The newest 100 are kept in memory. Older ones, and those from before a restart, are `done` for a day if recorded.
    """
    account = permit.caller.account
    recorded = idempotency.is_done(unit.session, account, key, f"{tables.prefix}/import", unit.now_s)
    found = imports_of(request).find(account, key, recorded=recorded)
    if found is None:
        raise NotFound(f'No import of this account has the key "{key}". Send the table with that key: it is done once.')
    return found


def _told(plan: Plan, revision: int, dry_run: bool) -> ImportRead:
    changes = [
        RangeChangeRead(act=act.act, object=act.subject, before=act.before, after=act.after)
        for act in islice(plan.acts({}), MAX_TOLD)
    ]
    return ImportRead(
        dry_run=dry_run,
        withheld=plan.withheld,
        registered=len(plan.register),
        changed=len(plan.change),
        removed=len(plan.remove),
        unchanged=plan.unchanged,
        changes=changes,
        more=plan.count - len(changes),
        revision=revision,
    )
