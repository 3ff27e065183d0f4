"""/v1/authorities/{slug}/close and /v1/authorities/{slug}/merge."""

from collections.abc import Iterable

from fastapi import APIRouter, Response

from api.authorities import repository as authorities
from api.authorities.reading import read_authority
from api.db.unit_of_work import UnitOfWork, head
from api.db.unknown_names import no_authority
from api.errors import Invalid
from api.http.dependencies import PreconditionDep, RuntimeDep, UnitDep, tag
from api.http.permits import Administrator
from api.http.problems import CONFLICT, NOT_FOUND, NOT_PUBLISHED, STALE, documented
from api.http.routes import Route
from api.http.schemas import Slug
from api.publish.changed_bans import changed_bans
from api.ranges.reading import read_changes
from api.succession import closing, merging, repository
from api.succession.schemas import ClosedRead, ClosingWrite, ContinuedRead, DoneRead, MergedRead, MergingWrite
from api.timestamps import given_timestamp
from dnsfilter.policy.model import FormalDecision

router = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}", tags=["authorities"])


@router.post(
    "/close",
    operation_id="close_authority",
    summary="Close an authority",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def close_authority(
    slug: Slug,
    body: ClosingWrite,
    unit: UnitDep,
    _permit: Administrator,
    response: Response,
    precondition: PreconditionDep,
) -> ClosedRead:
    """End the terms of its bans, the bindings to and from it, exemptions from its bans, and roles in it, at `at`.

    Its ranges and space stay registered. A closing cannot be undone: what an act has ended is not revived.
    """
    row = authorities.get(unit.session, slug)
    precondition.check(row.revision)
    decision = FormalDecision() if body.decision is None else body.decision.value()
    revision, (before, _) = row.revision, head(unit.session)
    at = given_timestamp(body.at, unit.now_s, row.time_zone, unit.asked_s, "body.at", second=True)
    closing.close(unit, row, at, body.reason, decision)
    unit.rehearsing = body.dry_run
    tag(response, revision if body.dry_run else row.revision)
    return ClosedRead(authority=read_authority(row, unit.now_s), acts=_acts(unit, before), dry_run=body.dry_run)


@router.post(
    "/merge",
    operation_id="merge_authority",
    summary="Merge an authority into another",
    responses=documented(NOT_FOUND, CONFLICT, STALE, NOT_PUBLISHED),
)
def merge_authority(
    slug: Slug,
    body: MergingWrite,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    response: Response,
    precondition: PreconditionDep,
) -> MergedRead:
    """Make `into` the successor from now on. Ranges and space move, and what is in force there stays in force.

    Bans continue as the successor's own by the formal decision to merge, with their bindings and exemptions. While the
    successor's own ban on the service is in force, that one applies: see `overruled`. The answer is 409 if the
    successor's ban has another mode or scope and is planned, provisional, off, or only from an earlier merger.
    """
    row = authorities.get(unit.session, slug)
    precondition.check(row.revision)
    into = authorities.find(unit.session, body.into)
    if into is None:
        raise Invalid.at("body.into", no_authority(unit.session, body.into))
    revision, (before, _) = row.revision, head(unit.session)
    policy = held.publishing.current(unit)
    done = merging.merge(unit, row, into, body.reason, body.decision.value(), held.services)
    unit.rehearsing = body.dry_run
    unit.session.flush()
    tag(response, revision if body.dry_run else row.revision)
    return MergedRead(
        authority=read_authority(row, unit.now_s),
        into=read_authority(into, unit.now_s),
        continued=_pairs(done.continued),
        covered=_pairs(done.covered),
        overruled=_pairs(done.overruled),
        ended=done.ended,
        changes=read_changes(changed_bans(policy, held.publishing.current(unit), unit.now_s)),
        acts=_acts(unit, before),
        dry_run=body.dry_run,
    )


def _acts(unit: UnitOfWork, before: int) -> list[DoneRead]:
    unit.session.flush()
    return [DoneRead(act=row.act, object=row.object) for row in repository.entries_after(unit.session, before)]


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[ContinuedRead]:
    return [ContinuedRead(object=of, by=by) for of, by in pairs]
