"""The route class of the API: permits, unknown query parameters, entity tags that cover the answer, 304."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import cached_property
from inspect import signature
from threading import Lock
from typing import Annotated, Any, get_args

from fastapi import Depends, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as Needed
from fastapi.routing import APIRoute
from starlette.routing import Match, compile_path, get_name
from starlette.types import Message, Receive, Scope, Send

from api.auth.roles import Role, RoleScope, Rule
from api.auth.second_person import ALONE
from api.errors import Fault, Invalid, did_you_mean
from api.http.entity_tags import MAX_TAGS, OF_REVISION, answer_tag, is_known
from api.http.problems import documented
from api.http.schemas import Reason, location_of

MAX_UNKNOWN = 20
"""The most unknown query parameters that an answer names."""
_LENIENT = (RoleScope.OPEN, RoleScope.ENROLMENT, RoleScope.NODE)
_NAMED_IN: Mapping[RoleScope, str] = {
    RoleScope.PATH: "{slug}",
    RoleScope.SELF: "{account}",
    RoleScope.ACTED: "{account}",
}
"""The part of a route's path that its rule refers to."""
_READS = ("GET", "HEAD")


class LazyRoute(APIRoute):
    """A route that has at first only what finds it: path, methods, name, endpoint, id.

    The first use of anything else builds the rest, also if several threads use it at once. Most routes stay unused for
    days, and all of them, built, take 14 MB.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.name = options.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        self.operation_id = options.get("operation_id")
        self.include_in_schema = options.get("include_in_schema", True)
        self._lock = Lock()
        self._unbuilt: dict[str, Any] | None = options

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that only a built route has."""
        if "_unbuilt" not in self.__dict__:
            raise AttributeError(name)
        if self._unbuilt is not None:
            with self._lock:
                self._build()
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None

    def _build(self) -> None:
        """Build the route elsewhere and take over the result at once: no thread sees a half of it."""
        if self._unbuilt is None:
            return
        built = type(self).__new__(type(self))
        built.__dict__.update(self.__dict__, _unbuilt=None)
        APIRoute.__init__(built, self.path, self.endpoint, **self._unbuilt)
        self.__dict__.update(built.__dict__)


class Route(LazyRoute):
    """A route that stores its answer in `request.state.answer` before its transaction ends.

    One parameter of the endpoint says who may call it: a permit of permits.py or node_permits.py. It is checked first.
    An endpoint without one raises TypeError.

    If a route tags an answer with a revision, this class makes the tag cover the body too: a state that depends on the
    clock changes without an act. A GET with that tag in If-None-Match is answered with 304. HEAD is possible where GET
    is (RFC 9110 section 9.3.2).

    A query parameter that the route does not declare, or that is given twice, raises Invalid: a misspelled filter would
    have no effect. The token is checked first. Probes and nodes may send parameters that this version does not know.

    An act of operators may wait for a second person, and takes a `reason`.

    The id of an operation is the name of its endpoint, unless it is given. The description has the problems of every
    route, those of its dependencies, and those of `responses`.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, dependencies: Sequence[Needed] | None = None, **options: Any
    ) -> None:
        self.rule, first = _permission(path, endpoint)
        # These run before a transaction begins.
        checked = [first, *(dependencies or ()), Depends(_demand_known)]
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        if self.rule.where is not RoleScope.OPEN:
            options["responses"] = {**documented(), **(options.get("responses") or {})}
        alone = set(options.get("methods") or ("GET",)) == {"GET"} or options["operation_id"] in ALONE
        self.may_wait = Role.OPERATOR in self.rule.roles and not alone
        if self.may_wait:
            checked.append(Depends(_reason))
        super().__init__(path, endpoint, dependencies=checked, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route takes a request: HEAD if it takes GET."""
        if self._answers_head(scope):
            return super().matches({**scope, "method": "GET"})
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and HEAD as GET without the body."""
        if self._answers_head(scope):
            await self.app(scope, receive, _without_body(send))
        else:
            await super().handle(scope, receive, send)

    def _answers_head(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] == "HEAD" and "GET" in (self.methods or ())

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Return the query parameters that the route and its dependencies declare."""
        return frozenset(_declared(self.dependant))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler. FastAPI sends its response after all dependencies of function scope have ended."""
        _resolve_once(self.dependant, set())
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            answer = await handle(request)
            known = answer.headers.get("etag")
            if known is not None and known.startswith(OF_REVISION):
                answer.headers["ETag"] = answer_tag(known, bytes(answer.body))
                asked = request.headers.get("if-none-match", "")
                if request.method in _READS and answer.status_code == 200 and is_known(asked, answer.headers["ETag"]):
                    answer = Response(status_code=304, headers={"ETag": answer.headers["ETag"]})
            request.state.answer = answer
            return answer

        return handled


def route_of(request: Request) -> Route:
    """Return the route of a request."""
    found = request.scope["route"]
    assert isinstance(found, Route)
    return found


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


def _permission(path: str, endpoint: Callable[..., Any]) -> tuple[Rule, Needed]:
    """Return who may call an endpoint, and the dependency that checks it. Both are in one parameter's annotation.

    Raise TypeError unless exactly one parameter has them.
    """
    named = f"{endpoint.__module__}.{endpoint.__qualname__}"
    parts = [get_args(given.annotation)[1:] for given in signature(endpoint, eval_str=True).parameters.values()]
    found = [
        (part, needed)
        for needs in parts
        for part in needs
        if isinstance(part, Rule)
        for needed in needs
        if isinstance(needed, Needed)
    ]
    if len(found) != 1:
        raise TypeError(f"{named} has {len(found)} permits in its signature: give it one of api.http.permits")
    rule, needed = found[0]
    if _NAMED_IN.get(rule.where, "") not in path:
        raise TypeError(f"the path of {named} has no {_NAMED_IN[rule.where]}, which its permit needs")
    return rule, needed


def _resolve_once(dependant: Dependant, before: set[object]) -> None:
    """Cut what a dependency needs wherever it comes again.

    FastAPI resolves that each time, before it finds the result of the first time. A dependency with parameters keeps
    it: FastAPI has no result if they are wrong.
    """
    for needed in dependant.dependencies:
        if needed.call in before:
            needed.dependencies.clear()
        else:
            _resolve_once(needed, before)
            if not _has_parameters(needed):
                before.add(needed.call)


def _has_parameters(dependant: Dependant) -> bool:
    own = dependant.path_params, dependant.query_params, dependant.header_params, dependant.body_params
    return any(own) or any(map(_has_parameters, dependant.dependencies))


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _declared(needed)


async def _demand_known(request: Request) -> None:
    """Raise Invalid for query parameters that the route does not declare or that are given twice, and for long tags."""
    route = route_of(request)
    if route.rule.where in _LENIENT:
        return
    long = [name for name in ("if-match", "if-none-match") if len(request.headers.get(name, "")) > MAX_TAGS]
    if long:
        raise Invalid([Fault(f"header.{name}", f"give at most {MAX_TAGS} characters") for name in long])
    known = route.parameters
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [(name, times) for name, times in given.items() if name not in known or times > 1]
    if wrong:
        raise Invalid(
            [Fault(location_of(("query", name)), _wrong(name, times, known)) for name, times in wrong[:MAX_UNKNOWN]]
        )


async def _reason(
    reason: Annotated[
        Reason | None,
        Query(description="Why less is refused. An authority may require it; a reason in the body also counts."),
    ] = None,
) -> None:
    """Declare the parameter. The rule of the second person reads it."""


def _wrong(name: str, times: int, known: frozenset[str]) -> str:
    if name in known:
        return f"given {times} times: give it once"
    others = f" This request takes {', '.join(sorted(known)) or 'none'}."
    return f"unknown parameter.{did_you_mean(name, known) or others}"
