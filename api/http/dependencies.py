"""Dependencies of routes: the caller, the unit of work, the catalogue, preconditions."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.auth.authentication_failures import Failures, address_of, sweep
from api.auth.caller import Caller
from api.auth.judged_acts import JSON, NeedsSecondPerson, SecondPersonRule, SentRequest
from api.auth.permit import Permit
from api.auth.roles import Rule
from api.auth.tokens import Refused, authenticate, caller_of_token, held_token, note_use
from api.db.models import AuthorityRow, TokenRow
from api.db.session import Database
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_authority
from api.errors import Forbidden, Invalid, NotAuthenticated, NotFound, Stale
from api.http import idempotency
from api.http.entity_tags import etag, revision_tag
from api.http.problems import id_of
from api.http.quota import Quota
from api.http.routes import route_of
from api.settings import Settings
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import Policy, Service
from dnsfilter.telemetry.logs import emit
from dnsfilter.translatable import Text

log = logging.getLogger("dnsfilter.api")

NO_TOKEN = "Send the header Authorization: Bearer TOKEN."
TOKEN_NOT_ACCEPTED = Text("Your token is not accepted: unknown, ended or revoked.")
"""It does not say which of these applies: only readers of the authentication failures may know."""

MAX_DOWNLOADS, MAX_DOWNLOADS_EACH = 8, 2
"""Concurrent downloads: of all accounts, and of one."""
MAX_BACKUPS, MAX_BACKUPS_EACH = 3, 2
"""Concurrent backups. They are separate from downloads and long reads, which must not prevent them."""
MAX_WAITS, MAX_WAITS_EACH = 64, 4
"""Concurrent requests with `Prefer: wait`: of all accounts, and of one. They hold no thread and no connection."""
MAX_COSTLY, MAX_COSTLY_EACH = 4, 2
"""Concurrent reads that take seconds: of all accounts, and of one. They leave slots for other reads."""

IN_CONSOLE = "in_console"
"""Key of the scope of a request that a page of the console makes: its token is that of a session."""
KNOWN_CALLER = "known_caller"
"""Key of the scope of a read that a page makes: its caller, whom the page's own request has just authenticated."""

_bearer = HTTPBearer(auto_error=False, description="a token of the installation")
BearerDep = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Publishing(Protocol):
    """The publisher, as routes use it: it brings a committed policy into force."""

    def check(self, unit: UnitOfWork) -> Policy:
        """Return the policy that `unit` is about to commit. Raise Invalid if it contradicts itself."""

    def current(self, unit: UnitOfWork) -> Policy:
        """Return the policy as `unit` sees it."""

    def committed(self) -> Policy:
        """Return the policy without the acts of the transaction that is under way."""

    def services(self, unit: UnitOfWork | None = None) -> Mapping[str, Service]:
        """Return all services by slug as `unit` sees them; without one, as committed."""

    def prepare(self, service: Service, digest: str) -> None:
        """Do, before the transaction of an act that brings this list of a service into force, what takes long."""

    def publish(self, policy: Policy) -> None:
        """Bring a committed policy into force. Raise NotPublished."""

    @property
    def packaged(self) -> Mapping[str, Service]:
        """Return the services of the packaged catalogue by slug, without what the policy adds or replaces."""

    @property
    def catalogue(self) -> str:
        """Return the digest of the catalogue's lists that publications refer to."""

    def catch_up(self) -> None:
        """Bring the database's policy into force, unless it already is. Raise NotPublished."""

    def store_in_force(self) -> None:
        """Store which snapshots came into force. Do not call this inside a writing transaction."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The shared parts of a control plane process.

    `catalogue` is the packaged one, without what the policy adds. `refused_catalogues` counts by reason. `clock` gives
    seconds of UTC, and corrects an implausible time.
    """

    settings: Settings
    database: Database
    catalogue: Catalogue
    publishing: Publishing
    clock: Callable[[], float]
    token_key: bytes = field(repr=False)
    second_person: SecondPersonRule
    refused_catalogues: Counter[str] = field(default_factory=Counter)
    downloads: Quota = field(
        default_factory=lambda: Quota(Text("downloads under way"), MAX_DOWNLOADS, MAX_DOWNLOADS_EACH)
    )
    backups: Quota = field(default_factory=lambda: Quota(Text("backups under way"), MAX_BACKUPS, MAX_BACKUPS_EACH))
    costly: Quota = field(default_factory=lambda: Quota(Text("long reads under way"), MAX_COSTLY, MAX_COSTLY_EACH))
    waits: Quota = field(default_factory=lambda: Quota(Text("requests that wait"), MAX_WAITS, MAX_WAITS_EACH))


Part = TypeVar("Part")


def part_of(request: Request, name: str, kind: type[Part]) -> Part:
    """Return a part of the application by its name in `app.state`."""
    found = getattr(request.app.state, name)
    if not isinstance(found, kind):
        raise TypeError(f"the application's {name} is not a {kind.__name__}")
    return found


async def runtime(request: Request) -> Runtime:
    """Return the application's runtime. Like all dependencies that wait for nothing, it needs no thread."""
    return part_of(request, "runtime", Runtime)


RuntimeDep = Annotated[Runtime, Depends(runtime)]


def permit(
    request: Request,
    held: RuntimeDep,
    credentials: BearerDep,
) -> Permit:
    """Return the permit of the request. Raise NotAuthenticated, Forbidden and TooMany."""
    caller = _caller(request, held, credentials)
    with _unknown_first(held):
        return permit_for(caller, route_of(request).rule, request.path_params)


def permit_for(caller: Caller, rule: Rule, path: Mapping[str, object]) -> Permit:
    """Return a caller's permit under a rule. Raise Forbidden if the path already excludes it."""
    found = Permit(caller, rule)
    found.enter(path)
    return found


@contextmanager
def _unknown_first(held: Runtime) -> Iterator[None]:
    """Raise NotFound or Invalid in place of a Forbidden about an authority that is not registered.

    Every account may read which authorities exist. A misspelt name must not look like a missing role.
    """
    try:
        yield
    except Forbidden as error:
        if error.authority is None:
            raise
        with held.database.reading() as session:
            message = None if session.get(AuthorityRow, error.authority) else no_authority(session, error.authority)
        if message is None:
            raise
        raise (NotFound(message) if error.location == "path.slug" else Invalid.at(error.location, message)) from None


def _caller(request: Request, held: Runtime, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    known: Caller | None = request.scope.get(KNOWN_CALLER)
    if known is not None:
        return known
    now_s = int(held.clock())
    found: Caller | Refused | None = None
    if credentials is not None:
        with held.database.reading() as session:
            in_console = request.scope.get(IN_CONSOLE, False)
            found = authenticate(
                session, held.token_key, credentials.credentials, now_s, request_id(request), in_console=in_console
            )
    if isinstance(found, Refused):
        note_failure(request.app.state.failures, found, request.scope, held.clock())
    if not isinstance(found, Caller):
        raise NotAuthenticated(NO_TOKEN if found is None else TOKEN_NOT_ACCEPTED)
    request.scope["token_known"] = True
    note_day(held, found, now_s)
    return found


def note_day(held: Runtime, caller: Caller, now_s: int) -> None:
    """Store once a day that the caller's token is used."""
    try:
        if note_use(held.database, caller, now_s):
            with held.database.writing() as session:
                sweep(session, now_s)
                idempotency.sweep(session, now_s)
    except SQLAlchemyError as error:
        # A read-only database still serves reads. An act gets the error itself.
        emit(log, logging.WARNING, "the day of a token's use was not stored", error=type(error).__name__)


def note_failure(
    failures: Failures, refused: Refused, scope: Mapping[str, Any], now: float, machine: str | None = None
) -> None:
    """Store the authentication failure of a request. Raise TooMany if its address has failed too often."""
    try:
        failures.note(refused, address_of(scope.get("client")), id_of(scope), now, machine)
    except SQLAlchemyError as error:
        emit(log, logging.WARNING, "an authentication failure was not stored", error=type(error).__name__)


PermitDep = Annotated[Permit, Depends(permit)]
"""The permit of the request's route, for dependencies. A route names one of `api.http.permits`."""


def costly(held: RuntimeDep, permit: PermitDep) -> Iterator[None]:
    """Limit concurrent reads that take seconds, after the permission check. Raise TooManyAtOnce and Overloaded."""
    with held.costly.held(permit.caller.account):
        yield


COSTLY = Depends(costly, scope="function")
"""For the `dependencies` of a route: they are resolved before the parameters."""


def request_id(request: Request) -> str:
    """Return the request's id, which is in its answer, its log line and its audit entries."""
    return id_of(request.scope)


async def sent_body(request: Request, _permit: PermitDep) -> bytes:
    """Return the body of the request. It is read only after the permission check."""
    return await request.body()


def unit_of_work(
    request: Request, held: RuntimeDep, permit: PermitDep, body: Annotated[bytes, Depends(sent_body)]
) -> Iterator[UnitOfWork]:
    """Run one transaction per request. Commit it and publish its policy before the response is sent.

    Use it with scope="function": FastAPI would otherwise end it after the response. A route that has not checked its
    permit commits nothing and shows nothing. An act with an Idempotency-Key is done once. An act that needs a second
    person is rolled back, and recorded as a request instead.
    """
    if request.method in ("GET", "HEAD"):
        with _unknown_first(held), held.database.reading() as session:
            yield UnitOfWork(session, permit.caller.actor, int(held.clock()))
            _settled(request, permit)
        return
    try:
        with _unknown_first(held):
            yield from _act(request, held, permit, body)
    except NeedsSecondPerson as waits:
        raise idempotency.Answered(_ask(request, held, permit, waits)) from None
    except _NotAccepted as error:
        note_failure(request.app.state.failures, error.refused, request.scope, held.clock())
        raise NotAuthenticated(TOKEN_NOT_ACCEPTED) from None


def _act(request: Request, held: Runtime, permit: Permit, body: bytes) -> Iterator[UnitOfWork]:
    policy, earlier = None, None
    with suppress(_Rehearsed), held.database.writing() as session:
        # Read the clock only now: a writer that waited for its turn would otherwise act in the past.
        unit = UnitOfWork(session, permit.caller.actor, int(held.clock()))
        token = _enter_again(session, request, permit, unit.now_s)
        asked = idempotency.keyed(request, permit.caller, token)
        earlier = idempotency.find(session, asked, unit.now_s) if asked is not None else None
        if earlier is None:
            yield unit
            _settled(request, permit)
            if unit.acted:
                policy = held.publishing.check(unit)
            if unit.rehearsing:
                policy = None
                raise _Rehearsed
            if policy is not None:
                held.second_person.judge(unit, permit, held.publishing.committed, policy, _sent(request, body))
            if asked is not None:
                answer = None if unit.shown_once else request.state.answer
                idempotency.keep(session, asked, answer, unit.now_s)
    if earlier is not None:
        # The first answer may have said that the act was not yet in force.
        held.publishing.catch_up()
        raise idempotency.Answered(earlier)
    if policy is not None:
        held.publishing.publish(policy)


def _sent(request: Request, body: bytes) -> SentRequest:
    path = {name: str(value) for name, value in request.path_params.items()}
    media_type = str(request.scope.get("media_type", JSON))
    return SentRequest(route_of(request).operation_id or "", path, request.url.query, media_type, body)


def _ask(request: Request, held: Runtime, permit: Permit, waits: NeedsSecondPerson) -> Response:
    """Record that an act waits for a second person, in a transaction of its own. Return the answer."""
    with held.database.writing() as session:
        unit = UnitOfWork(session, permit.caller.actor, int(held.clock()))
        token = _enter_again(session, request, permit, unit.now_s)
        answer = JSONResponse(held.second_person.ask(unit, waits), 202)
        policy = held.publishing.check(unit)
        asked = idempotency.keyed(request, permit.caller, token)
        if asked is not None:
            idempotency.keep(session, asked, answer, unit.now_s)
    held.publishing.publish(policy)
    return answer


class _Rehearsed(Exception):
    """Raised to roll back the transaction of a rehearsal."""


class _NotAccepted(Exception):
    """Raised if the token of an act is no longer accepted."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused.reason))
        self.refused = refused


def _enter_again(session: Session, request: Request, permit: Permit, now_s: int) -> TokenRow:
    """Check the permit again, with the roles that the caller holds now. Raise _NotAccepted and Forbidden.

    While the request waited for its turn, its token may have been revoked, its account disabled, or a role ended.
    """
    token, account = held_token(session, permit.caller.token)
    found = caller_of_token(session, token, account, now_s, request_id(request))
    if isinstance(found, Refused):
        raise _NotAccepted(found)
    permit.caller = found
    permit.enter(request.path_params)
    return token


def demand_again(session: Session, request: Request, permit: Permit, now_s: int) -> None:
    """Check the permit of a read that has waited, with the roles that the caller holds now.

    Raise NotAuthenticated and Forbidden.
    """
    try:
        _enter_again(session, request, permit, now_s)
    except _NotAccepted:
        raise NotAuthenticated(TOKEN_NOT_ACCEPTED) from None


def _settled(request: Request, permit: Permit) -> None:
    if not permit.settled:
        raise RuntimeError(f"{request.method} {request.scope['route'].path} did not check its permit")


UnitDep = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]


THE_RESOURCE = Text("the resource")


@dataclass(frozen=True, slots=True)
class Precondition:
    """The caller's `If-Match` and `If-None-Match`."""

    if_match: str | None
    if_none_match: str | None

    def check(self, revision: int | None, what: str = THE_RESOURCE) -> None:
        """Raise Stale unless the resource's revision (None: it does not exist) is the one that the caller expects."""
        if self.if_none_match is not None and self.if_none_match.strip() == "*" and revision is not None:
            raise Stale(Text("{what} already exists", what=what), revision)
        if self.if_match is None:
            return
        if revision is None:
            raise Stale(Text("the resource does not exist"), None)
        wanted = {revision_tag(tag) for tag in self.if_match.split(",")}
        if "*" not in wanted and etag(revision) not in wanted:
            raise Stale(Text("the resource has changed: read it again"), revision)


async def precondition(
    if_match: Annotated[str | None, Header(include_in_schema=False)] = None,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Precondition:
    """Return the request's precondition."""
    return Precondition(if_match, if_none_match)


PreconditionDep = Annotated[Precondition, Depends(precondition)]


def tag(response: Response, revision: int) -> None:
    """Set the response's entity tag. The route adds a digest of the body to it."""
    response.headers["ETag"] = etag(revision)
