"""What routes depend on: the caller, the unit of work, the catalogue, preconditions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth.permissions import OF_OPERATION, Permission
from api.auth.tokens import holder
from api.db.session import Database
from api.db.unit import UnitOfWork
from api.errors import NotAuthenticated, Stale
from api.settings import Settings
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import Policy, Service

_bearer = HTTPBearer(auto_error=False, description="the administrator's token")


class Publishing(Protocol):
    """What brings a committed policy into force."""

    def check(self, unit: UnitOfWork) -> Policy:
        """The policy that `unit` is about to commit; raises Invalid where it contradicts itself."""

    def current(self, unit: UnitOfWork) -> Policy:
        """The policy as `unit` sees it."""

    def publish(self, policy: Policy) -> None:
        """Bring a committed policy into force; raises NotPublished."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process of the control plane runs on. `clock` gives seconds of UTC, as far as wall time is believed."""

    settings: Settings
    database: Database
    catalogue: Catalogue
    services: Mapping[str, Service]
    publishing: Publishing
    clock: Callable[[], float]


def runtime(request: Request) -> Runtime:
    """The application's runtime."""
    found = request.app.state.runtime
    if not isinstance(found, Runtime):
        raise TypeError("the application has no runtime")
    return found


RuntimeDep = Annotated[Runtime, Depends(runtime)]


def authorize(
    request: Request,
    held: RuntimeDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """The actor; raises NotAuthenticated unless the operation's permission holds for the token."""
    operation = getattr(request.scope.get("route"), "operation_id", None)
    permission = OF_OPERATION.get(operation or "")
    if permission is Permission.OPEN:
        return "anybody"
    name = holder(held.database, credentials.credentials) if credentials is not None else None
    if name is None or permission is None:
        raise NotAuthenticated("send the header Authorization: Bearer TOKEN with a token that is known here")
    return name


ActorDep = Annotated[str, Depends(authorize)]


def unit_of_work(request: Request, held: RuntimeDep, actor: ActorDep) -> Iterator[UnitOfWork]:
    """One transaction per request: committed, and its policy published, before the response is sent.

    Used with scope="function": FastAPI would otherwise end it after the response.
    """
    if request.method in ("GET", "HEAD"):
        with held.database.reading() as session:
            yield UnitOfWork(session, actor, int(held.clock()))
        return
    policy = None
    with held.database.writing() as session:
        # Read only now: a writer that waited for its turn would otherwise act in the past.
        unit = UnitOfWork(session, actor, int(held.clock()))
        yield unit
        if unit.acted:
            policy = held.publishing.check(unit)
    if policy is not None:
        held.publishing.publish(policy)


UnitDep = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]


@dataclass(frozen=True, slots=True)
class Precondition:
    """The caller's `If-Match` and `If-None-Match`."""

    if_match: str | None
    if_none_match: str | None

    def check(self, revision: int | None) -> None:
        """Raises Stale unless the resource (None: there is none yet) is what the caller believes."""
        if self.if_none_match is not None and self.if_none_match.strip() == "*" and revision is not None:
            raise Stale("the resource exists already")
        if self.if_match is None:
            return
        if revision is None:
            raise Stale("the resource does not exist")
        wanted = {tag.strip() for tag in self.if_match.split(",")}
        if "*" not in wanted and etag(revision) not in wanted:
            raise Stale(f"the resource has changed since: it is now {etag(revision)}")


def precondition(
    if_match: Annotated[str | None, Header(max_length=200)] = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Precondition:
    """The request's precondition."""
    return Precondition(if_match, if_none_match)


PreconditionDep = Annotated[Precondition, Depends(precondition)]


def etag(revision: int) -> str:
    """The entity tag of a resource last changed at `revision`."""
    return f'"r{revision}"'


def tag(response: Response, revision: int) -> None:
    """Set the response's entity tag."""
    response.headers["ETag"] = etag(revision)
