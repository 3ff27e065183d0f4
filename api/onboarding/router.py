"""/v1/authorities/{slug}/onboarding."""

from fastapi import APIRouter

from api.auth.roles import AUDITORS
from api.authorities import repository
from api.http.dependencies import UnitDep
from api.http.permits import ReaderOfPath
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Slug
from api.onboarding.schemas import OnboardingRead
from api.onboarding.service import onboarding

router = APIRouter(route_class=Route, prefix="/v1/authorities", tags=["authorities"])


@router.get(
    "/{slug}/onboarding",
    operation_id="get_onboarding",
    summary="Show what an authority still needs",
    responses=documented(NOT_FOUND),
)
def get_onboarding(slug: Slug, unit: UnitDep, permit: ReaderOfPath) -> OnboardingRead:
    """List the steps: names, networks, a ban, people and nodes, each with what exists or what to do.

    Callers who may not list accounts and nodes see neither logins nor names of nodes.
    """
    named = permit.caller.has(AUDITORS, None)
    return onboarding(unit.session, repository.get(unit.session, slug), unit.now_s, named=named)
