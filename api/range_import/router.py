"""/v1/ranges/import: many ranges at once, from a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.errors import Invalid, NotFound
from api.exemptions.approval import keeping_enough_under_ban
from api.http import idempotency
from api.http.dependencies import PermitDep, RuntimeDep, UnitDep
from api.http.file_bodies import FileBody
from api.http.parameters import DryRun
from api.http.permits import AnyAccount, OperatorOfObject
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, TOO_LARGE, WITHHELD, documented
from api.http.routes import Route
from api.http.schemas import Slug
from api.range_import import service
from api.range_import.csv_table import MAX_ROWS, MEDIA_TYPE, parse_table, read_rows
from api.range_import.reading import read_plan
from api.range_import.running import Import, imports_of
from api.range_import.service import DEFAULT_REMOVALS, Sync, Wanted
from api.ranges.schemas import ImportProgressRead, ImportRead, RangesWrite, Stage
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.translatable import Text

tables = APIRouter(route_class=Route, prefix="/v1/ranges", tags=["ranges"])

TABLE = FileBody(MEDIA_TYPE, RangesWrite)

Synced = Annotated[
    bool, Query(alias="sync", description="Also remove ranges of `authority` at `site` that are not in the file.")
]
Removals = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_ROWS,
        description=f"With `sync`: do nothing if more would be removed (default {DEFAULT_REMOVALS}). A file without "
        "rows removes nothing unless this is given.",
    ),
]


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A table that was read and can be imported, as far as is known before its turn to write."""

    wanted: Wanted
    watched: Import


def read_table(
    request: Request,
    permit: PermitDep,
    file: Annotated[str | RangesWrite, Depends(TABLE)],
    held: RuntimeDep,
    sync: Synced = False,
    authority: Slug | None = None,
    site: Slug = DEFAULT_SITE,
    max_removals: Removals = None,
    dry_run: DryRun = False,
) -> Iterator[ReadTable]:
    """Yield the table; raise `BadRows`, `Conflict` or `Withheld` before anybody has to wait for it."""
    if sync != (authority is not None):
        raise Invalid.at(
            "query.authority", Text("give `authority` with `sync`, and only then: the owner of the ranges in the file")
        )
    key = request.headers.get(idempotency.HEADER)
    with imports_of(request).watched(request, permit.caller.account, key) as watched:
        if isinstance(file, str):
            watched.enter(Stage.CHECKING, file.count("\n"))
            table = parse_table(file, site, watched.reach)
        else:
            watched.enter(Stage.CHECKING, len(file.rows))
            table = read_rows((row.model_dump(mode="json", exclude_none=True) for row in file.rows), site)
        sync_of = Sync(authority, site, max_removals) if authority is not None else None
        wanted = Wanted(table.rows, sync_of, table.faults, table.where)
        with held.database.reading() as session:
            service.demand_importable(session, permit, wanted, site, int(held.clock()), dry_run=dry_run)
        watched.enter(Stage.WAITING, len(table.rows))
        yield ReadTable(wanted, watched)


@tables.post("/import", summary="Import ranges", responses=documented(WITHHELD, TOO_LARGE, NOT_PUBLISHED))
def import_ranges(
    table: Annotated[ReadTable, Depends(read_table, scope="function")],
    unit: UnitDep,
    permit: OperatorOfObject,
    dry_run: DryRun = False,
) -> ImportRead:
    """Register and change the ranges of a table in one revision, or do nothing.

    Each row that cannot be imported is a fault with its line. An operator imports for their authorities, inside those
    authorities' space. With an `Idempotency-Key`, `/v1/ranges/imports/{key}` shows the progress meanwhile.
    """
    # Keep the order of the parameters: the table is read and compared before the transaction begins.
    unit.rehearsing = dry_run
    plan = service.make_plan(
        unit.session, table.wanted, permit.visible(), unit.now_s, administers=permit.caller.administers
    )
    if not dry_run:
        with keeping_enough_under_ban(unit, permit, plan.owners):
            service.carry_out(unit, plan, table.watched)
        table.watched.enter(Stage.PUBLISHING, plan.count)
    return read_plan(plan, unit.revision, dry_run=dry_run)


@tables.get("/imports/{key}", summary="Show the progress of an import", responses=documented(NOT_FOUND))
def get_import(
    key: Annotated[str, Path(max_length=idempotency.MAX_KEY, description="Idempotency-Key of the import.")],
    request: Request,
    unit: UnitDep,
    permit: AnyAccount,
) -> ImportProgressRead:
    """Report the caller's own import with that key; 404 if the key is unknown or the table has not arrived yet.

    The newest 100 imports are kept in memory. Older imports, and those from before a restart, show as `done` for a day
    if they were recorded.
    """
    account = permit.caller.account
    recorded = idempotency.is_done(unit.session, account, key, f"{tables.prefix}/import", unit.now_s)
    found = imports_of(request).find(account, key, recorded=recorded)
    if found is None:
        raise NotFound(
            Text(
                'No import of this account has the key "{key}". Send the table with that key: it is '
                "imported only once.",
                key=key,
            )
        )
    return found
