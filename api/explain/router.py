"""/v1/decision and /v1/who: what the policy decides for a client."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.permit import Permit
from api.db.models import RangeRow
from api.db.sites import get_site
from api.db.time_zones import time_zone_of
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid
from api.explain.fleet_clients import fleet_named, has_name
from api.explain.policy_answers import authority_words, decision_read, parse_client, parse_question, who_read
from api.explain.schemas import AllottedRead, DecisionRead, WhoRead
from api.http.dependencies import RuntimeDep, UnitDep
from api.http.parameters import QuestionText
from api.http.permits import ReaderOfObject
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Slug, TimestampText
from api.publish.repository import authority_of, off_since, space_of, suspensions_at
from api.timestamps import given_timestamp
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.translatable import Text

router = APIRouter(route_class=Route, prefix="/v1", tags=["decision"])

FleetText = Annotated[str, Query(max_length=264, examples=["phones of staff"])]
AddressText = Annotated[str, Query(max_length=60, examples=["192.0.2.10"])]


@router.get("/decision", summary="Explain a decision", responses=documented(NOT_FOUND))
def get_decision(
    unit: UnitDep,
    permit: ReaderOfObject,
    held: RuntimeDep,
    name: QuestionText,
    client: AddressText | None = None,
    fleet: FleetText | None = None,
    at: TimestampText | None = None,
    site: Slug = DEFAULT_SITE,
) -> DecisionRead:
    """Explain what a node answers this client for this name at a time (now, if omitted), with all bans considered.

    Give either an address or the label of a fleet (`LABEL` or `AUTHORITY/LABEL`).

    For a past time, the answer follows the newest policy; `trace` shows what was decided then. A time without a zone is
    in that of the client's authority; for an unregistered client, Europe/Brussels.
    """
    # At an unknown site, every client would seem unregistered.
    get_site(unit.session, site)
    named = _fleet(unit, permit, site, client, fleet)
    address = parse_client(client or "", "query.client") if named is None else ip_network(named.prefix).network_address
    authority = authority_of(unit.session, site, address)
    permit.demand(authority, words=authority_words(site, address))
    question = parse_question(name, "query.name", held.publishing.services(unit))
    instant = given_timestamp(at, unit.now_s, time_zone_of(unit.session, authority), unit.now_s, "query.at")
    policy = held.publishing.current(unit)
    if instant < unit.now_s:
        # The policy has only recent suspensions.
        policy = replace(policy, suspensions=suspensions_at(unit.session, instant))
    found = decision_read(policy, site, address, question, instant, off_since(unit.session, instant))
    if named is not None:
        found.fleet_has_name = has_name(unit.session, named, instant)
    return found


def _fleet(unit: UnitOfWork, permit: Permit, site: str, client: str | None, fleet: str | None) -> RangeRow | None:
    """Return the fleet to decide for, None for a client. Raise `Invalid` unless exactly one of both is given."""
    if (client is None) == (fleet is None):
        raise Invalid.at("query.client", Text("give either client or fleet"))
    return None if fleet is None else fleet_named(unit.session, site, fleet, permit.visible())


@router.get("/who", summary="Show the authority of an address", responses=documented(NOT_FOUND))
def get_who(
    unit: UnitDep, permit: ReaderOfObject, held: RuntimeDep, address: AddressText, site: Slug = DEFAULT_SITE
) -> WhoRead:
    """Return the address's range and those around it, its authority, contact and bans."""
    get_site(unit.session, site)
    client = parse_client(address, "query.address")
    permit.demand(authority_of(unit.session, site, client), words=authority_words(site, client))
    policy = held.publishing.current(unit)
    space = space_of(unit.session, site, client)
    allotted = None if space is None else AllottedRead(prefix=space.prefix, authority=space.authority)
    return who_read(policy, site, client, unit.now_s, permit.visible(), allotted)
