"""/v1/policy: the whole policy as a file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.db.models import AuditRow
from api.deps import COSTLY, PermitDep, RuntimeDep, UnitDep, permit
from api.errors import Fault, Invalid
from api.policies import service
from api.policies.schemas import ActRead, AppliedRead, DifferenceRead
from api.problems import NOT_PUBLISHED, TOO_LARGE, TOO_MANY_AT_ONCE, documented
from api.routing import Route
from api.schemas import FaultRead
from dnsfilter.config.policytext import dump_policy

MEDIA_TYPE = "application/toml"
router = APIRouter(route_class=Route, prefix="/v1/policy", tags=["policy"], dependencies=[Depends(permit)])

_BODY = {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}


class FileResponse(Response):
    """A policy file."""

    media_type = MEDIA_TYPE


async def policy_text(request: Request, _permit: PermitDep) -> str:
    """The body as text; raises Invalid."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise Invalid.at("body", f"is not UTF-8 at octet {error.start}") from error


def policy_wanted(_permit: PermitDep, text: Annotated[str, Depends(policy_text)], held: RuntimeDep) -> service.Wanted:
    """The body as read, once it is known that its sender may; raises Invalid."""
    return service.parse(held, text)


WantedDep = Annotated[service.Wanted, Depends(policy_wanted)]


@router.get(
    "",
    operation_id="export_policy",
    summary="Export the policy",
    response_class=FileResponse,
    dependencies=[COSTLY],
    responses={
        **documented(TOO_MANY_AT_ONCE),
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
    },
)
def export_policy(unit: UnitDep, held: RuntimeDep) -> FileResponse:
    """The policy as a file, for version control or for a node without a control plane."""
    policy = held.publishing.current(unit)
    header = f"# dnsfilter policy, revision {policy.revision}\n\n"
    return FileResponse(header + dump_policy(policy))


@router.post(
    "/diff",
    operation_id="diff_policy",
    summary="Compare a file with the policy",
    responses=documented(TOO_LARGE),
    openapi_extra=_BODY,
)
def diff_policy(wanted: WantedDep, held: RuntimeDep, permit: PermitDep) -> DifferenceRead:
    """What applying the file would do, and what stands against it. Nothing is recorded."""
    acts, faults = service.preview(held, permit.caller.actor, wanted)
    return DifferenceRead(acts=_acts(acts), faults=[_fault(fault) for fault in faults])


@router.post(
    "/apply",
    operation_id="apply_policy",
    summary="Apply a file",
    responses=documented(TOO_LARGE, NOT_PUBLISHED),
    openapi_extra=_BODY,
)
def apply_policy(wanted: WantedDep, unit: UnitDep, held: RuntimeDep) -> AppliedRead:
    """Does all that the file asks in one revision, or nothing. Terms that have begun are never rewritten."""
    # The parameters' order counts: the file is read before the transaction begins.
    acts, faults = service.act_on(unit, held, wanted, "policy.apply")
    if faults:
        raise Invalid(faults)
    return AppliedRead(acts=_acts(acts), revision=unit.revision)


def _acts(rows: list[AuditRow]) -> list[ActRead]:
    return [ActRead(act=row.act, object=row.object, before=row.before, after=row.after) for row in rows]


def _fault(fault: Fault) -> FaultRead:
    return FaultRead(place=fault.place, message=fault.message)
