"""/v1/revisions: what each revision changed, and rollback."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.http.dependencies import RuntimeDep, UnitDep
from api.http.parameters import DEFAULT_LIMIT, Cursor, Limit
from api.http.permits import Administrator, Auditor
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.policies.schemas import ActRead
from api.publish.past_policies import kept_since, publication_of
from api.revisions import repository
from api.revisions.object_versions import changes
from api.revisions.repository import Made
from api.revisions.rollback import roll_back
from api.revisions.schemas import RevisionRead, RevisionSummary, RollbackRead, RollbackWrite
from api.timestamps import optional_text, timestamp_text
from api.trace.service import read_publication
from dnsfilter.policy.model import Instant

router = APIRouter(route_class=Route, prefix="/v1/revisions", tags=["revisions"])

Number = Annotated[int, Path(ge=0, le=2**63 - 1, description="Number of the revision.")]


@router.get("", operation_id="list_revisions", summary="List revisions", responses=documented())
def list_revisions(
    unit: UnitDep, _permit: Auditor, held: RuntimeDep, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[RevisionSummary]:
    """List revisions, newest first."""
    held.publishing.settle()
    rows, following = repository.page(unit.session, limit, cursor)
    since = repository.in_force(unit.session, [row.number for row in rows])
    items = [RevisionSummary(**_summary(row, since.get(row.number))) for row in rows]
    return Page(items=items, next=following)


@router.get("/{number}", operation_id="get_revision", summary="Get a revision", responses=documented(NOT_FOUND))
def get_revision(
    number: Number,
    unit: UnitDep,
    _permit: Auditor,
    held: RuntimeDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> RevisionRead:
    """Get one revision, with a page of its changes from the one before, object by object."""
    held.publishing.settle()
    session = unit.session
    found = repository.get(session, number)
    versions, following = repository.versions(session, number, limit, cursor)
    replaced = repository.before(session, versions, number)
    since = repository.in_force(session, [number])
    return RevisionRead(
        **_summary(found, since.get(number)),
        kept_since=kept_since(session),
        publications=[
            read_publication(publication_of(session, row)) for row in repository.publications(session, number)
        ],
        changes=Page(items=changes(session, versions, replaced, found.first.time_s), next=following),
    )


@router.post(
    "/{number}/rollback",
    operation_id="roll_back",
    summary="Roll back to a revision",
    responses=documented(NOT_FOUND, CONFLICT, NOT_PUBLISHED),
)
def rollback(
    number: Number,
    body: RollbackWrite,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    dry_run: Annotated[bool, Query(description="Only report what would be done.")] = False,
) -> RollbackRead:
    """Restore ranges, modes, scopes and replies as a new revision; never terms, bindings, exemptions or grants."""
    before = unit.revision
    unit.rehearsing = dry_run
    acts = roll_back(unit, number, body.reason, held.services)
    return RollbackRead(
        acts=[ActRead(act=row.act, object=row.object, before=row.before, after=row.after) for row in acts],
        revision=before if dry_run else unit.revision,
        dry_run=dry_run,
    )


def _summary(found: Made, in_force: Instant | None) -> dict[str, Any]:
    return {
        "number": found.number,
        "time": timestamp_text(found.first.time_s),
        "in_force": optional_text(in_force),
        "account": found.first.account,
        "access": found.first.access,
        "acts": found.acts,
        "first_seq": found.first.seq,
        "last_seq": found.last.seq,
        "act": found.last.act,
        "object": found.last.object,
    }
