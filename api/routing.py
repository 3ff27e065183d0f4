"""The routes of the API: entity tags that cover the whole answer, 304, and answers that can be kept."""

from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

TAG_DIGITS = 16
_OF_REVISION = '"r'
"""How tags begin that routes give; others are a whole answer's already."""


class Route(APIRoute):
    """A route whose answer is in `request.state.answer` before its transaction ends.

    What a route has tagged with a revision gets a tag that covers the answer's body too: a state that follows from the
    clock changes without an act. A GET with that tag in If-None-Match is answered with 304.
    """

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
