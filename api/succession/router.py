"""/v1/authorities/{slug}/close and /v1/authorities/{slug}/merge."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Response

from api.authorities import repository as authorities
from api.authorities.reading import read_authority
from api.db.models import AuthorityRow
from api.db.unit_of_work import UnitOfWork, head
from api.http.dependencies import RuntimeDep, UnitDep, tag
from api.http.path_rows import by_slug, row_to_change
from api.http.permits import Administrator
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, documented
from api.http.routes import Route
from api.publish.changed_bans import changed_bans
from api.ranges.reading import read_changes
from api.succession import closing, merging, repository
from api.succession.schemas import ClosedRead, ClosingWrite, ContinuedRead, DoneRead, MergedRead, MergingWrite

router = APIRouter(route_class=Route, prefix="/v1/authorities/{slug}", tags=["authorities"])

Changed = Annotated[AuthorityRow, row_to_change(by_slug, authorities.get)]


@router.post("/close", summary="Close an authority", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def close_authority(
    row: Changed, body: ClosingWrite, unit: UnitDep, _permit: Administrator, response: Response
) -> ClosedRead:
    """End the terms of its bans, the bindings to and from it, exemptions from its bans, and roles in it, at `at`.

    Its ranges and space stay registered. A closing cannot be undone: what an act has ended is not revived.
    """
    revision, (before, _) = row.revision, head(unit.session)
    closing.close_by(unit, row, body)
    unit.rehearsing = body.dry_run
    tag(response, revision if body.dry_run else row.revision)
    return ClosedRead(authority=read_authority(row, unit.now_s), acts=_acts(unit, before), dry_run=body.dry_run)


@router.post("/merge", summary="Merge an authority into another", responses=documented(NOT_FOUND, NOT_PUBLISHED))
def merge_authority(
    row: Changed, body: MergingWrite, unit: UnitDep, _permit: Administrator, held: RuntimeDep, response: Response
) -> MergedRead:
    """Make `into` the successor from now on. Ranges and space move, and what is in force there stays in force.

    Bans continue as the successor's own by the formal decision to merge, with their bindings and exemptions. While the
    successor's own ban on the service is in force, that one applies: see `overruled`. The answer is 409 if the
    successor's ban has another mode or scope and is planned, provisional, off, or only from an earlier merger.
    """
    into = authorities.named(unit.session, body.into, "body.into")
    revision, (before, _) = row.revision, head(unit.session)
    policy = held.publishing.current(unit)
    done = merging.merge(unit, row, into, body.reason, body.decision.value(), held.publishing.services(unit))
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
