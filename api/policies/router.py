"""/v1/policy: the complete policy as a file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.errors import Invalid
from api.http.dependencies import COSTLY, RuntimeDep, UnitDep
from api.http.file_bodies import FileBody
from api.http.permits import Administrator, Auditor
from api.http.problems import NOT_PUBLISHED, TOO_LARGE, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.lists.filed import lists_of
from api.policies import service
from api.policies.reading import policy_text, read_acts, read_faults
from api.policies.schemas import AppliedRead, DifferenceRead, PolicyRead, PolicyWrite

MEDIA_TYPE = "application/toml"
router = APIRouter(route_class=Route, prefix="/v1/policy", tags=["policy"])

POLICY = FileBody(MEDIA_TYPE, PolicyWrite)


class FileResponse(Response):
    """A policy file."""

    media_type = MEDIA_TYPE


def policy_wanted(file: Annotated[str | PolicyWrite, Depends(POLICY)], held: RuntimeDep) -> service.Wanted:
    """Return the parsed request body, after its sender is authorized; raise `Invalid` if it is wrong."""
    return service.parse(held, file if isinstance(file, str) else file.policy)


WantedDep = Annotated[service.Wanted, Depends(policy_wanted)]


@router.get(
    "",
    summary="Export the policy",
    response_class=FileResponse,
    dependencies=[COSTLY],
    responses={**documented(TOO_MANY_AT_ONCE), 200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def export_policy(unit: UnitDep, _permit: Auditor, held: RuntimeDep) -> FileResponse:
    """Export the policy as a file, for version control or for a node without a control plane."""
    return FileResponse(policy_text(held.publishing.current(unit), lists_of(unit.session)))


@router.get("/json", summary="Export the policy in JSON", dependencies=[COSTLY], responses=documented(TOO_MANY_AT_ONCE))
def export_policy_json(unit: UnitDep, _permit: Auditor, held: RuntimeDep) -> PolicyRead:
    """Export the same file as text in JSON. `diff` and `apply` accept this form too."""
    policy = held.publishing.current(unit)
    return PolicyRead(revision=policy.revision, policy=policy_text(policy, lists_of(unit.session)))


@router.post("/diff", summary="Compare a file with the policy", responses=documented(TOO_LARGE))
def diff_policy(wanted: WantedDep, held: RuntimeDep, permit: Administrator) -> DifferenceRead:
    """Show what applying the file would do, and the faults that prevent it. Nothing is recorded."""
    done = service.preview(held, permit.caller.actor, wanted)
    return DifferenceRead(acts=read_acts(done.acts), faults=read_faults(done.faults), warnings=done.warnings)


@router.post("/apply", summary="Apply a file", responses=documented(TOO_LARGE, NOT_PUBLISHED))
def apply_policy(wanted: WantedDep, unit: UnitDep, _permit: Administrator, held: RuntimeDep) -> AppliedRead:
    """Do everything that the file asks for in one revision, or nothing. Terms that have begun are never rewritten."""
    # Keep the order of the parameters: the file is read before the transaction begins.
    done = service.act_on(unit, held, wanted, "policy.apply")
    if done.faults:
        raise Invalid(done.faults)
    return AppliedRead(acts=read_acts(done.acts), warnings=done.warnings, revision=unit.revision)
