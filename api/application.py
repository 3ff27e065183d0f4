"""The application: routers, middleware, errors, description. Reads nothing from the environment."""

from functools import cache

from fastapi import FastAPI, Request, Response
from sqlalchemy.orm import Session
from starlette.middleware import Middleware
from starlette.routing import Match
from starlette.types import Scope

from api.accounts.router import accounts, authentication_failures, grants, oneself
from api.archive.router import router as archive
from api.attention.router import router as attention
from api.audit.checkpoint_job import CheckpointJob
from api.audit.router import router as audit
from api.auth.authentication_failures import Failures
from api.auth.caller import Caller
from api.auth.node_tokens import is_node
from api.auth.tokens import Refused, authenticate
from api.authorities.router import router as authorities
from api.bans.ban_summaries import BanSummaries
from api.bans.requests.router import router as requests
from api.bans.router import bans, of_authority
from api.bindings.router import router as bindings
from api.captures.router import router as captures
from api.catalogue.router import router as catalogue
from api.console.frame.error_page import ErrorPages
from api.console.oidc.provider import Provider
from api.console.router import console_routes
from api.documentation.openapi import TITLE, described
from api.documentation.router import router as documentation
from api.documentation.site import router as site
from api.errors import ApiError, Forbidden, NotAuthenticated, TooMany
from api.events.event_job import EventJob
from api.events.router import router as webhooks
from api.exemptions.exemption_counts import ExemptionCounts
from api.exemptions.router import router as exemptions
from api.exemptions.warnings import warnings_of
from api.explain.router import router as decisions
from api.feeds.router import router as feeds
from api.fleets.router import router as fleets
from api.http.dependencies import NO_TOKEN, TOKEN_NOT_ACCEPTED, Runtime, note_failure, permit_for
from api.http.idempotency import Answered
from api.http.problems import install
from api.http.routes import Route
from api.lists.router import links as list_links
from api.lists.router import lists
from api.lists.router import of_authority as lists_of_authority
from api.names.router import names
from api.names.router import of_authority as names_of_authority
from api.nodes.fleet import Fleet
from api.nodes.node_api import router as own_of_node
from api.nodes.router import local_suspensions
from api.nodes.router import other_routes as other_node_routes
from api.nodes.router import router as nodes
from api.notices.router import router as notices
from api.onboarding.router import router as onboarding
from api.overlaps.nesting import Layouts
from api.overlaps.router import overlaps
from api.peers.router import router as peers
from api.policies.router import router as policies
from api.publish.past_cache import PastPolicyCache
from api.publish.service import Publisher
from api.range_import.router import tables
from api.range_import.running import Imports
from api.ranges.router import ranges, sites
from api.register.router import router as register
from api.register.service import Registers
from api.report.router import router as report
from api.revisions.recent_changes import RecentChanges
from api.revisions.router import router as revisions
from api.server.access_log import AccessMiddleware
from api.server.bodies import BodyMiddleware
from api.server.forwarded import ForwardedMiddleware
from api.server.metrics.collectors import Registry, Sources, make_registry
from api.server.request_ids import RequestMiddleware
from api.server.request_limits import OF_CONSOLE, OF_NODES, READS, LoadMiddleware
from api.server.router import router as system
from api.services.router import own_services
from api.services.router import router as services
from api.spaces.router import router as spaces
from api.succession.router import router as succession
from api.suspensions.current import CurrentSuspensions
from api.suspensions.router import router as suspensions
from api.trace.router import router as trace
from api.updates.router import objections
from api.updates.router import of_authority as updates_of_authority
from api.updates.router import router as updates
from api.updates.update_counts import UpdateCounts
from api.usage.coverage_counts import CoverageCounts
from api.usage.pending_counts import pending_counts
from api.usage.router import coverage
from api.usage.router import router as usage
from dnsfilter import __version__

ROUTERS = (
    system,
    documentation,
    site,
    authorities,
    succession,
    onboarding,
    sites,
    spaces,
    ranges,
    fleets,
    tables,
    overlaps,
    services,
    own_services,
    catalogue,
    updates,
    updates_of_authority,
    objections,
    feeds,
    bans,
    of_authority,
    register,
    report,
    requests,
    bindings,
    lists,
    lists_of_authority,
    list_links,
    exemptions,
    names,
    names_of_authority,
    local_suspensions,
    suspensions,
    decisions,
    trace,
    policies,
    revisions,
    usage,
    captures,
    coverage,
    audit,
    peers,
    attention,
    notices,
    webhooks,
    archive,
    own_of_node,
    nodes,
    other_node_routes,
    oneself,
    accounts,
    grants,
    authentication_failures,
)


def make_application(
    runtime: Runtime, publisher: Publisher, checkpoint_job: CheckpointJob, fleet: Fleet, events: EventJob
) -> tuple[FastAPI, Registry]:
    """Return the application on a runtime, and the registry of its metrics."""
    failures = Failures(runtime.database)
    coverage_counts = CoverageCounts(runtime.database, runtime.clock)
    holding = CurrentSuspensions(runtime.database, runtime.clock)
    registry, requests = make_registry(
        Sources(
            publisher,
            failures,
            checkpoint_job,
            holding,
            fleet,
            BanSummaries(runtime.database, runtime.clock),
            RecentChanges(runtime.database, runtime.clock),
            ExemptionCounts(runtime.database, runtime.clock),
            UpdateCounts(runtime.database, runtime.clock),
            coverage_counts,
            events.figures,
            runtime.refused_catalogues,
        )
    )

    def refusal(token: str, scope: Scope) -> ApiError | None:
        return _refusal(runtime, failures, token, scope)

    app = make_description(
        [
            Middleware(ForwardedMiddleware),
            Middleware(ErrorPages),
            Middleware(RequestMiddleware),
            Middleware(AccessMiddleware, metrics=requests),
            Middleware(BodyMiddleware, sender=lambda token, scope: _sender(runtime, token, scope), refusal=refusal),
            # A request counts once its body is complete: a slow sender takes no slot from others.
            Middleware(LoadMiddleware),
        ]
    )
    app.state.runtime = runtime
    app.state.publisher = publisher
    app.state.checkpoint_job = checkpoint_job
    app.state.failures = failures
    app.state.ban_warnings = warnings_of
    app.state.coverage_counts = coverage_counts
    app.state.pending_counts = pending_counts
    app.state.fleet = fleet
    app.state.events = events
    app.state.holding = holding
    app.state.imports = Imports()
    app.state.layouts = Layouts()
    app.state.past_policies = PastPolicyCache()
    app.state.registers = Registers()
    provider = runtime.settings.identity_provider
    app.state.identity_provider = None if provider is None else Provider(provider)
    return app, registry


def _sender(runtime: Runtime, token: str, scope: Scope) -> str | None:
    """Return the sender of a large body: a node, or an account that may do what it requests. Return None for others."""
    with runtime.database.reading() as session:
        if scope["path"].startswith(OF_NODES) and is_node(session, runtime.token_key, token):
            return token
        found = _authenticated(session, runtime, token, scope)
    try:
        return str(found.account) if isinstance(found, Caller) and _may(found, scope) else None
    except Forbidden:
        return None


def _refusal(runtime: Runtime, failures: Failures, token: str, scope: Scope) -> ApiError | None:
    """Return the error for a large body if `_sender` names no sender. Return None if the path has no act.

    Record an unknown token as an authentication failure.
    """
    now = runtime.clock()
    with runtime.database.reading() as session:
        found = _authenticated(session, runtime, token, scope)
    try:
        if isinstance(found, Caller):
            _may(found, scope)
            return None
        if token:
            note_failure(failures, found, scope, now)
    except (Forbidden, TooMany) as error:
        return error
    return NotAuthenticated(TOKEN_NOT_ACCEPTED if token else f"{NO_TOKEN} A large body is not read without one.")


def _authenticated(session: Session, runtime: Runtime, token: str, scope: Scope) -> Caller | Refused:
    in_console = scope["path"].startswith(OF_CONSOLE)
    return authenticate(session, runtime.token_key, token, int(runtime.clock()), "", in_console=in_console)


def _may(caller: Caller, scope: Scope) -> bool:
    """Return whether there is an act at the request's path. Raise Forbidden if the caller may not do it.

    A page of the console takes large forms of every session: the operations that it calls have the permits.
    """
    if scope["path"].startswith(OF_CONSOLE):
        return any(route.matches(scope)[0] is Match.FULL for route in console_routes())
    for route in routes() if scope["method"] not in READS else ():
        match, found = route.matches(scope)
        if match is Match.FULL:
            permit_for(caller, route.rule, found["path_params"])
            return True
    return False


def make_description(middleware: list[Middleware]) -> FastAPI:
    """Return an application with the routes alone: enough to print the description."""
    app = FastAPI(
        title=TITLE,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=middleware,
    )
    # include_router would build every route a second time, which takes longer than the rest of a start.
    app.router.routes += [*routes(), *console_routes()]
    install(app)
    app.add_exception_handler(Answered, _answered)
    app.state.allowed = _allowed
    app.state.operations = {route.operation_id: route for route in routes()}
    app.openapi = cache(lambda: described(routes()))  # type: ignore[method-assign]
    return app


def routes() -> list[Route]:
    """Return every route of the API."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, Route)]


def _answered(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Answered):
        raise error
    return error.answer


def _allowed(path: str) -> list[str]:
    """Return the methods that a path has."""
    here = (route for route in (*routes(), *console_routes()) if route.path_regex.match(path))
    found = {method for route in here for method in route.methods or ()}
    return sorted(found | {"HEAD"} if "GET" in found else found)
