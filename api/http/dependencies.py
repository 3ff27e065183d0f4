"""What routes depend on: the caller, the unit of work, the catalogue, preconditions."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.auth.authentication_failures import Failures, address_of, sweep
from api.auth.caller import Caller, Permit
from api.auth.roles import Rule
from api.auth.tokens import Refused, authenticate, held_token, note_use, standing
from api.db.models import TokenRow
from api.db.session import Database
from api.db.unit_of_work import UnitOfWork
from api.errors import NotAuthenticated, Stale
from api.http import idempotency
from api.http.problems import id_of
from api.http.quota import Quota
from api.http.routes import revision_tag, route_of
from api.settings import Settings
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import Policy, Service
from dnsfilter.telemetry.logs import emit

log = logging.getLogger("dnsfilter.api")

NO_TOKEN = "Send the header Authorization: Bearer TOKEN."
TOKEN_NOT_ACCEPTED = "Your token is not accepted: unknown, ended or revoked."
"""Not which of these: that is for who reads the authentication failures."""

MAX_DOWNLOADS, MAX_DOWNLOADS_EACH = 8, 2
"""Downloads under way at once: of all accounts, and of one."""
MAX_BACKUPS, MAX_BACKUPS_EACH = 3, 2
"""Backups under way at once. No other download or long read takes their places: an installation needs them."""
MAX_COSTLY, MAX_COSTLY_EACH = 4, 2
"""Reads that take seconds, at once: of all accounts, and of one. Other reads have places left."""
MAX_TAGS = 200
"""How long If-Match and If-None-Match may be."""

_bearer = HTTPBearer(auto_error=False, description="a token of the installation")
BearerDep = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Publishing(Protocol):
    """What brings a committed policy into force."""

    def check(self, unit: UnitOfWork) -> Policy:
        """The policy that `unit` is about to commit; raises Invalid where it contradicts itself."""

    def current(self, unit: UnitOfWork) -> Policy:
        """The policy as `unit` sees it."""

    def publish(self, policy: Policy) -> None:
        """Bring a committed policy into force; raises NotPublished."""

    @property
    def catalogue(self) -> str:
        """The digest of the services' lists, under which publications have them."""

    def catch_up(self) -> None:
        """Bring into force what the database holds, unless it is; raises NotPublished."""

    def settle(self) -> None:
        """Have it written down what came into force; not to be called inside a writing transaction."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process of the control plane runs on. `clock` gives seconds of UTC, as far as wall time is believed."""

    settings: Settings
    database: Database
    catalogue: Catalogue
    services: Mapping[str, Service]
    publishing: Publishing
    clock: Callable[[], float]
    token_key: bytes = field(repr=False)
    downloads: Quota = field(default_factory=lambda: Quota("downloads under way", MAX_DOWNLOADS, MAX_DOWNLOADS_EACH))
    backups: Quota = field(default_factory=lambda: Quota("backups under way", MAX_BACKUPS, MAX_BACKUPS_EACH))
    costly: Quota = field(default_factory=lambda: Quota("long reads under way", MAX_COSTLY, MAX_COSTLY_EACH))


Part = TypeVar("Part")


def part_of(request: Request, name: str, kind: type[Part]) -> Part:
    """Return a part of the application by its name in `app.state`."""
    found = getattr(request.app.state, name)
    if not isinstance(found, kind):
        raise TypeError(f"the application's {name} is not a {kind.__name__}")
    return found


def runtime(request: Request) -> Runtime:
    """Return the application's runtime."""
    return part_of(request, "runtime", Runtime)


RuntimeDep = Annotated[Runtime, Depends(runtime)]


def permit(
    request: Request,
    held: RuntimeDep,
    credentials: BearerDep,
) -> Permit:
    """What the caller may do here; raises NotAuthenticated, Forbidden and TooMany."""
    return permit_for(_caller(request, held, credentials), route_of(request).rule, request.path_params)


def permit_for(caller: Caller, rule: Rule, path: Mapping[str, object]) -> Permit:
    """Return what a caller may do under a rule. Raise Forbidden if that is nothing, as far as the path says."""
    found = Permit(caller, rule)
    found.enter(path)
    return found


def _caller(request: Request, held: Runtime, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    now_s = int(held.clock())
    found: Caller | Refused | None = None
    if credentials is not None:
        with held.database.reading() as session:
            found = authenticate(session, held.token_key, credentials.credentials, now_s, request_id(request))
    if isinstance(found, Refused):
        note_failure(request.app.state.failures, found, request.scope, held.clock())
    if not isinstance(found, Caller):
        raise NotAuthenticated(NO_TOKEN if found is None else TOKEN_NOT_ACCEPTED)
    request.scope["token_known"] = True
    try:
        if note_use(held.database, found, now_s):
            with held.database.writing() as session:
                sweep(session, now_s)
                idempotency.sweep(session, now_s)
    except SQLAlchemyError as error:
        # A database that can only be read still answers questions; an act meets the fault itself.
        emit(log, logging.WARNING, "the day of a token's use was not kept", error=type(error).__name__)
    return found


def note_failure(
    failures: Failures, refused: Refused, scope: Mapping[str, Any], now: float, machine: str | None = None
) -> None:
    """Keep the authentication failure of a request; raises TooMany where its address has failed too often."""
    try:
        failures.note(refused, address_of(scope.get("client")), id_of(scope), now, machine)
    except SQLAlchemyError as error:
        emit(log, logging.WARNING, "an authentication failure was not kept", error=type(error).__name__)


PermitDep = Annotated[Permit, Depends(permit)]
"""The permit of the request's route, for dependencies. A route names one of `api.http.permits`."""


def costly(held: RuntimeDep, permit: PermitDep) -> Iterator[None]:
    """Bound a read that takes seconds, once its caller may do it. Raise TooManyAtOnce and Overloaded."""
    with held.costly.held(permit.caller.account):
        yield


COSTLY = Depends(costly, scope="function")
"""For the `dependencies` of a route: those are asked before the parameters."""


def request_id(request: Request) -> str:
    """The request's id, which is in its answer, its log line and its audit entries."""
    return id_of(request.scope)


def unit_of_work(request: Request, held: RuntimeDep, permit: PermitDep) -> Iterator[UnitOfWork]:
    """One transaction per request: committed, and its policy published, before the response is sent.

    Used with scope="function": FastAPI would otherwise end it after the response. Nothing is committed, and nothing
    shown, by a route that has not asked whether its caller may. An act with an Idempotency-Key is done once.
    """
    if request.method in ("GET", "HEAD"):
        with held.database.reading() as session:
            yield UnitOfWork(session, permit.caller.actor, int(held.clock()))
            _settled(request, permit)
        return
    try:
        yield from _act(request, held, permit)
    except _NotTaken as error:
        note_failure(request.app.state.failures, error.refused, request.scope, held.clock())
        raise NotAuthenticated(TOKEN_NOT_ACCEPTED) from None


def _act(request: Request, held: Runtime, permit: Permit) -> Iterator[UnitOfWork]:
    policy, earlier = None, None
    with suppress(_Rehearsed), held.database.writing() as session:
        # Read only now: a writer that waited for its turn would otherwise act in the past.
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
            if asked is not None:
                answer = None if unit.shown_once else request.state.answer
                idempotency.keep(session, asked, answer, unit.now_s)
    if earlier is not None:
        # The first answer may have been that the act was not yet in force.
        held.publishing.catch_up()
        raise idempotency.Replayed(earlier)
    if policy is not None:
        held.publishing.publish(policy)


class _Rehearsed(Exception):
    """Ends a transaction of which nothing is to be kept."""


class _NotTaken(Exception):
    """Ends an act whose token is taken no longer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused.reason))
        self.refused = refused


def _enter_again(session: Session, request: Request, permit: Permit, now_s: int) -> TokenRow:
    """Give the permit the roles that its caller holds now that it is its turn; raises _NotTaken and Forbidden.

    Between the request's beginning and its turn the token may have been revoked, the account disabled, a mandate ended.
    """
    token, account = held_token(session, permit.caller.token)
    found = standing(session, token, account, now_s, request_id(request))
    if isinstance(found, Refused):
        raise _NotTaken(found)
    permit.caller = found
    permit.enter(request.path_params)
    return token


def _settled(request: Request, permit: Permit) -> None:
    if not permit.settled:
        raise RuntimeError(f"{request.method} {request.scope['route'].path} did not ask whether its caller may")


UnitDep = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]


@dataclass(frozen=True, slots=True)
class Precondition:
    """The caller's `If-Match` and `If-None-Match`."""

    if_match: str | None
    if_none_match: str | None

    def check(self, revision: int | None, what: str = "the resource") -> None:
        """Raises Stale unless the resource (None: there is none yet) is what the caller believes."""
        if self.if_none_match is not None and self.if_none_match.strip() == "*" and revision is not None:
            raise Stale(f"{what} exists already")
        if self.if_match is None:
            return
        if revision is None:
            raise Stale("the resource does not exist")
        wanted = {revision_tag(tag) for tag in self.if_match.split(",")}
        if "*" not in wanted and etag(revision) not in wanted:
            raise Stale("the resource has changed since: read it again")


def precondition(
    if_match: Annotated[str | None, Header(max_length=MAX_TAGS, include_in_schema=False)] = None,
    if_none_match: Annotated[str | None, Header(max_length=MAX_TAGS, include_in_schema=False)] = None,
) -> Precondition:
    """The request's precondition."""
    return Precondition(if_match, if_none_match)


PreconditionDep = Annotated[Precondition, Depends(precondition)]


def etag(revision: int) -> str:
    """The beginning of the entity tag of a resource last changed at `revision`."""
    return f'"r{revision}"'


def tag(response: Response, revision: int) -> None:
    """Set the response's entity tag, to which its route adds what the body says."""
    response.headers["ETag"] = etag(revision)
