"""/v1/ranges/import: many ranges at once, from a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.auth.permit import Permit
from api.errors import Forbidden, Invalid, NotFound, Withheld
from api.exemptions.approval import keeping_enough_under_ban
from api.http import idempotency
from api.http.dependencies import PermitDep, Runtime, RuntimeDep, UnitDep
from api.http.file_bodies import FileBody
from api.http.parameters import DryRun, demand_authority, demand_site
from api.http.permits import AnyAccount, OperatorOfObject
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, TOO_LARGE, WITHHELD, documented
from api.http.routes import Route
from api.http.schemas import Slug
from api.range_import.csv_table import MAX_ROWS, MEDIA_TYPE, Table, parse_table, read_rows
from api.range_import.running import Import, imports_of
from api.range_import.service import DEFAULT_REMOVALS, Plan, Sync, Wanted, carry_out, make_plan
from api.ranges.schemas import ImportProgressRead, ImportRead, RangeChangeRead, RangesWrite, Stage
from dnsfilter.policy.model import DEFAULT_SITE

MAX_SHOWN, MAX_NAMED = 200, 3

tables = APIRouter(route_class=Route, prefix="/v1/ranges", tags=["ranges"])

TABLE = FileBody(MEDIA_TYPE, RangesWrite)

Synced = Annotated[
    bool, Query(alias="sync", description="Also deregister ranges of `authority` at `site` that are not in the file.")
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
            "query.authority", "give `authority` with `sync`, and only then: the owner of the ranges in the file"
        )
    key = request.headers.get(idempotency.HEADER)
    with imports_of(request).watched(request, permit.caller.account, key) as watched:
        table = _read(file, site, watched)
        sync_of = Sync(authority, site, max_removals) if authority is not None else None
        wanted = Wanted(table.rows, sync_of, table.faults, table.where)
        _check(held, permit, wanted, site, dry_run=dry_run)
        watched.enter(Stage.WAITING, len(table.rows))
        yield ReadTable(wanted, watched)


def _check(held: Runtime, permit: Permit, wanted: Wanted, site: str, *, dry_run: bool) -> None:
    """Raise the error that prevents the import, as far as it is known before the turn to write."""
    authority = None if wanted.sync is None else wanted.sync.authority
    owners = {row.value.authority for row in wanted.rows} | ({authority} if authority is not None else set())
    _demand(permit, owners)
    with held.database.reading() as session:
        demand_site(session, site)
        if authority is not None:
            demand_authority(session, authority)
        now_s = int(held.clock())
        plan = make_plan(session, wanted, permit.visible(), now_s, administers=permit.caller.administers)
    if plan.withheld and not dry_run:
        raise Withheld(f"{plan.withheld}. Nothing was done.")


def _read(file: str | RangesWrite, site: str, watched: Import) -> Table:
    if isinstance(file, str):
        watched.enter(Stage.CHECKING, file.count("\n"))
        return parse_table(file, site, watched.reach)
    watched.enter(Stage.CHECKING, len(file.rows))
    return read_rows((row.model_dump(mode="json", exclude_none=True) for row in file.rows), site)


def _demand(permit: Permit, owners: set[str]) -> None:
    """Raise `Forbidden` if the caller acts for none of the authorities whose ranges the file has."""
    own = permit.visible()
    if own is not None and owners and not own & owners:
        named = sorted(owners)[:MAX_NAMED]
        raise Forbidden(f"this needs the role operator of {' or '.join(named)}{permit.ended(named)}")


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
    plan = make_plan(unit.session, table.wanted, permit.visible(), unit.now_s, administers=permit.caller.administers)
    if not dry_run:
        with keeping_enough_under_ban(
            unit, permit, {known.authority for known in (*plan.remove, *(held for held, _ in plan.change))}
        ):
            carry_out(unit, plan, table.watched)
        table.watched.enter(Stage.PUBLISHING, plan.count)
    return _answer(plan, unit.revision, dry_run)


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
            f'No import of this account has the key "{key}". Send the table with that key: it is imported only once.'
        )
    return found


def _answer(plan: Plan, revision: int, dry_run: bool) -> ImportRead:
    changes = [
        RangeChangeRead(act=act.act, object=act.subject, before=act.before, after=act.after)
        for act in islice(plan.acts({}), MAX_SHOWN)
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
