"""/v1/trace: what was decided at a past time, and by which formal decision."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.db.time_zones import time_zone_of
from api.explain.policy_answers import authority_words, parse_client, parse_question
from api.http.dependencies import RuntimeDep, UnitDep, part_of
from api.http.parameters import QuestionText
from api.http.permits import ReaderOfObject
from api.http.problems import NOT_FOUND, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.http.schemas import Slug, TimestampText
from api.publish.past_cache import PastPolicyCache
from api.publish.past_policies import LoadedServices, authority_at, kept_publication_at
from api.publish.repository import authority_of
from api.trace.schemas import TraceRead
from api.trace.service import Question, parse_at
from api.trace.service import trace as traced
from dnsfilter.policy.model import DEFAULT_SITE

router = APIRouter(route_class=Route, prefix="/v1/trace", tags=["decision"])


async def past_policies_of(request: Request) -> PastPolicyCache:
    """Return the application's past policies."""
    return part_of(request, "past_policies", PastPolicyCache)


PastPoliciesDep = Annotated[PastPolicyCache, Depends(past_policies_of)]


@router.get("", summary="Trace a past decision", responses=documented(NOT_FOUND, TOO_MANY_AT_ONCE))
def get_trace(
    unit: UnitDep,
    permit: ReaderOfObject,
    held: RuntimeDep,
    past_policies: PastPoliciesDep,
    client: Annotated[str, Query(max_length=60, examples=["192.0.2.10"])],
    name: QuestionText,
    at: TimestampText,
    site: Slug = DEFAULT_SITE,
) -> TraceRead:
    """Show what a node decided for this client, this name and this past time, with everything that led to it.

    A time without a zone is in that of the authority that has the client now; otherwise Europe/Brussels.
    """
    address = parse_client(client, "query.client")
    question = parse_question(name, "query.name", held.publishing.packaged)
    # Do this first: a reading transaction does not see what is published after its start.
    held.publishing.store_in_force()
    time_zone = time_zone_of(unit.session, authority_of(unit.session, site, address))
    instant = parse_at(at, time_zone, unit.now_s)
    found = kept_publication_at(unit.session, instant)
    authority = authority_at(unit.session, found.revision, site, address)
    permit.demand(authority, words=authority_words(site, address))
    asked = Question(site, address, question, instant)
    now = LoadedServices(held.publishing.catalogue, held.publishing.packaged)
    with held.costly.held(permit.caller.account):
        made = past_policies.of(unit.session, found, now)
        return traced(unit.session, asked, made, now, held.catalogue)
