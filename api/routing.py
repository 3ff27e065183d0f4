"""The routes of the API: known query parameters only, entity tags that cover the answer, 304, answers that are kept."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant
from fastapi.params import Depends as Needed
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from api.auth.permissions import OF_OPERATION, Where
from api.errors import Fault, Invalid
from api.near import did_you_mean
from api.schemas import place_of

TAG_DIGITS = 16
MAX_UNKNOWN = 20
"""The most unknown parameters that an answer names."""
_LENIENT = (Where.OPEN, Where.ENROLMENT, Where.NODE)
_OF_REVISION = '"r'
"""How tags begin that routes give; others are a whole answer's already."""


class Route(APIRoute):
    """A route whose answer is in `request.state.answer` before its transaction ends.

    What a route has tagged with a revision gets a tag that covers the answer's body too: a state that follows from the
    clock changes without an act. A GET with that tag in If-None-Match is answered with 304.

    A query parameter that the route does not declare, or that is given twice, raises Invalid: a misspelled filter would
    have no effect. The token is checked first. Probes and nodes may send parameters that this version does not know.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, dependencies: Sequence[Needed] | None = None, **options: Any
    ) -> None:
        first = [Depends(call) for call in dict.fromkeys(_letting_in(get_dependant(path=path, call=endpoint)))]
        # Before a transaction begins.
        checked = [*first, *(dependencies or ()), Depends(_demand_known)]
        super().__init__(path, endpoint, dependencies=checked, **options)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The query parameters that the route and its dependencies declare."""
        return frozenset(_declared(self.dependant))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, whose response FastAPI sends once every dependency of the function's scope has ended."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            answer = await handle(request)
            known = answer.headers.get("etag")
            if known is not None and known.startswith(_OF_REVISION):
                answer.headers["ETag"] = whole_tag(known, bytes(answer.body))
                if request.method == "GET" and _is_known(request.headers.get("if-none-match", ""), answer):
                    answer = Response(status_code=304, headers={"ETag": answer.headers["ETag"]})
            request.state.answer = answer
            return answer

        return handled


def _letting_in(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Yield the dependencies that check the caller's token."""
    for needed in dependant.dependencies:
        if needed.call is not None and any(isinstance(inner.call, SecurityBase) for inner in needed.dependencies):
            yield needed.call
        else:
            yield from _letting_in(needed)


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _declared(needed)


async def _demand_known(request: Request) -> None:
    """Raise Invalid for query parameters that the route does not declare, or that are given twice."""
    route = request.scope["route"]
    if OF_OPERATION[route.operation_id].where in _LENIENT:
        return
    known = route.parameters
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [(name, times) for name, times in given.items() if name not in known or times > 1]
    if wrong:
        raise Invalid(
            [Fault(place_of(("query", name)), _wrong(name, times, known)) for name, times in wrong[:MAX_UNKNOWN]]
        )


def _wrong(name: str, times: int, known: frozenset[str]) -> str:
    if name in known:
        return f"given {times} times: give it once"
    others = f" This request takes {', '.join(sorted(known)) or 'none'}."
    return f"unknown parameter.{did_you_mean(name, known) or others}"


def whole_tag(tag: str, body: bytes) -> str:
    """The tag `"r5"` with what the answer's body adds to it."""
    return f'{tag[:-1]}.{sha256(body).hexdigest()[:TAG_DIGITS]}"'


def revision_tag(tag: str) -> str:
    """What an act compares of a tag that the caller sends: whether the object was changed, whatever the clock did."""
    name, dot, _ = tag.strip().removeprefix("W/").partition(".")
    return f'{name}"' if dot else name


def _is_known(header: str, answer: Response) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return answer.status_code == 200 and ("*" in tags or answer.headers["ETag"] in tags)
