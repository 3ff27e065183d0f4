"""/v1/authorities/{slug}/onboarding."""

from typing import Annotated

from fastapi import APIRouter

from api.auth.roles import AUDITORS
from api.authorities import repository
from api.db.models import AuthorityRow
from api.http.dependencies import UnitDep
from api.http.path_rows import by_slug, row_to_read
from api.http.permits import ReaderOfPath
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.onboarding.schemas import OnboardingRead
from api.onboarding.service import onboarding

router = APIRouter(route_class=Route, prefix="/v1/authorities", tags=["authorities"])

Shown = Annotated[AuthorityRow, row_to_read(by_slug, repository.get)]


@router.get("/{slug}/onboarding", summary="Show what an authority still needs", responses=documented(NOT_FOUND))
def get_onboarding(row: Shown, unit: UnitDep, permit: ReaderOfPath) -> OnboardingRead:
    """List the steps: names, networks, a ban, people and nodes, each with what exists or what to do.

    Callers who may not list accounts and nodes see neither logins nor names of nodes.
    """
    named = permit.caller.has(AUDITORS, None)
    return onboarding(unit.session, row, unit.now_s, named=named)
