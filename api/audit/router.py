"""/v1/audit: the audit log as pages and to keep elsewhere, and signed checkpoints of it."""

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.accounts.repository import demand_account
from api.audit import repository, service
from api.audit.acts import demand_act
from api.audit.checkpoint_job import CheckpointJob
from api.audit.export import export
from api.audit.following import followed
from api.audit.reading import read_checkpoint, read_entry
from api.audit.schemas import AuditRead, CheckpointRead
from api.auth.permit import Permit
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import head
from api.http.dependencies import Runtime, RuntimeDep, UnitDep, demand_again, part_of
from api.http.downloads import Download
from api.http.parameters import PagingDep
from api.http.permits import Auditor, ReaderOfSome
from api.http.preferences import wanted_wait_s
from api.http.problems import DATABASE, OVERLOADED, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import EndText, Page, Slug, TimestampText
from api.http.waiting import waiting
from api.publish.service import Publisher
from api.timestamps import given_bound, given_timestamp
from dnsfilter.policy.model import Instant

MEDIA_TYPE = "application/jsonl"
MAX_SEQ = 2**31 - 1

router = APIRouter(route_class=Route, prefix="/v1/audit", tags=["audit"])

_LINES = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}


@dataclass(frozen=True, slots=True)
class ListedActs:
    """Which acts a list is asked for, by its query parameters."""

    act: Annotated[
        str | None, Query(max_length=64, examples=["ban.adopt"], description="an act, or its first word: `ban`")
    ] = None
    object_: Annotated[str | None, Query(alias="object", max_length=300, examples=["ban/ghent/tiktok"])] = None
    account: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="the account that acted; 0 is the installation")
    ] = None
    authority: Annotated[Slug | None, Query(description="an authority that the act concerns")] = None
    since: Annotated[TimestampText | None, Query(description="from this instant, or the start of this day")] = None
    until: Annotated[EndText | None, Query(description="before this instant, or through this day")] = None
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="only acts after the one with this number")] = 0

    def entries(self, session: Session, permit: Permit, now: Instant) -> repository.EntryFilter:
        """Return the filter of the entries that the caller may see; raise `Invalid` or `Forbidden` for a value."""
        visible = permit.visible()
        time_zone = time_zone_of(session, self.authority)
        demand_account(session, visible, self.account)
        if self.act is not None:
            demand_act(session, self.act)
        seen = visible
        if self.authority is not None:
            repository.demand_concerned(session, self.authority)
            seen = frozenset({self.authority}) if visible is None else visible & {self.authority}
        first = given_timestamp(self.since, None, time_zone, now, "query.since", past=True)
        before = given_bound(self.until, time_zone, now, "query.until", past=True)
        return repository.EntryFilter(seen, self.act, self.object_, self.account, first, before, self.after)


@router.get("", summary="List acts", responses=documented(TOO_MANY_AT_ONCE, OVERLOADED))
async def list_audit(
    request: Request,
    response: Response,
    held: RuntimeDep,
    permit: ReaderOfSome,
    asked: Annotated[ListedActs, Depends()],
    paging: PagingDep,
    sort: Annotated[Literal["-seq", "seq"], Query(description="`-seq` is newest first")] = "-seq",
    prefer: Annotated[
        str, Header(max_length=200, description="`wait=10`: wait up to 10 s (at most 30) for the first act to list")
    ] = "",
) -> Page[AuditRead]:
    """List acts, newest first: those that concern authorities in which the caller has a role.

    To follow the audit log, ask with `sort=seq` and with `after` set to the number of the last act that you have read.
    With `Prefer: wait=10` (RFC 7240), answer as soon as there is an act to list, or when the time is over. Then
    `Preference-Applied` has the seconds that the request could wait.

    Times without a zone are in the time zone of `authority`, or Europe/Brussels if it is not given.
    """
    now_s, wait_s = int(held.clock()), wanted_wait_s([prefer])

    def read() -> Page[AuditRead]:
        with held.database.reading() as session:
            if wait_s:
                demand_again(session, request, permit, int(held.clock()))
            wanted = asked.entries(session, permit, now_s)
            rows, following = repository.page(session, wanted, paging, newest_first=sort == "-seq")
            return Page(items=[read_entry(row) for row in rows], next=following)

    announcements = part_of(request, "publisher", Publisher).announcements
    with waiting(request, response, held, permit, wait_s):
        return await followed(read, lambda: _newest(held), wait_s or 0, lambda: announcements.is_closed)


def _newest(held: Runtime) -> int:
    with held.database.reading() as session:
        return head(session)[0]


@router.get(
    "/export",
    summary="Export the audit log",
    response_class=StreamingResponse,
    responses={**documented(DATABASE, TOO_MANY_AT_ONCE), 200: {"description": "one entry per line", **_LINES}},
)
def export_audit(
    held: RuntimeDep,
    permit: Auditor,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="start with the entry after this number")] = 0,
) -> Download:
    """Export all entries up to the newest one, in order: one JSON object per line, as its hash covers it.

    To join exports, start each one `after` the last entry of the previous one. Discard an incomplete answer.
    """
    with ExitStack() as stack:
        stack.enter_context(held.downloads.held(permit.caller.account))
        parts = export(held.database, after)
        # An error in the first part is answered as a problem. A later one closes the connection.
        first = next(parts, b"")
        return Download(chain((first,), parts), stack.pop_all(), MEDIA_TYPE)


async def checkpoint_job(request: Request) -> CheckpointJob:
    """Return what makes the application's checkpoints."""
    return part_of(request, "checkpoint_job", CheckpointJob)


CheckpointJobDep = Annotated[CheckpointJob, Depends(checkpoint_job)]


@router.get("/checkpoints", summary="List checkpoints", responses=documented(DATABASE))
def list_checkpoints(unit: UnitDep, _permit: Auditor, paging: PagingDep) -> Page[CheckpointRead]:
    """List checkpoints, newest first: signed statements of an entry's hash, with the destinations that have them."""
    rows, following = service.page(unit.session, paging)
    installation = service.identity(unit.session)
    return Page(items=[read_checkpoint(row, installation) for row in rows], next=following)


@router.post(
    "/checkpoints",
    summary="Make a checkpoint",
    status_code=201,
    responses={
        **documented(DATABASE),
        200: {"description": "the newest entry already has a checkpoint", "model": CheckpointRead},
    },
)
def make_checkpoint(held: RuntimeDep, _permit: Auditor, job: CheckpointJobDep, response: Response) -> CheckpointRead:
    """Sign the hash of the newest entry. A checkpoint is not an entry. It is soon sent to its destinations.

    No Idempotency-Key is needed, and the header is ignored: a repeated request answers with the existing checkpoint.
    """
    row, made = job.make()
    response.status_code = 201 if made else 200
    with held.database.reading() as session:
        installation = service.identity(session)
    return read_checkpoint(row, installation)
