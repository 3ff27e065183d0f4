"""The route class of pages: an error is shown as a page, and every answer has the headers of the console."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.sessions import SIGN_IN
from api.console.frame.calls import declared_calls
from api.console.frame.error_page import EXPECTED, error_page
from api.console.frame.security_headers import HEADERS
from api.http.routes import LazyRoute


class SignInNeeded(Exception):
    """Raised if a page needs a session and the request has none."""


class ProofNeeded(Exception):
    """Raised if an act needs that its person confirms the session. `page` makes the page that asks for it."""

    def __init__(self, page: Callable[[], Coroutine[Any, Any, Response]]) -> None:
        super().__init__()
        self.page = page


class PageRoute(LazyRoute):
    """Route of a page. `operations` are those that it may call; each of them has its own permit."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **{**options, "include_in_schema": False})
        self.operations = declared_calls(endpoint)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the page."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                answer = await handle(request)
            except SignInNeeded:
                answer = _to_sign_in(request)
            except ProofNeeded as error:
                answer = await error.page()
            except EXPECTED as error:
                answer = await error_page(request, error)
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return handled


def pages() -> APIRouter:
    """Return a router of pages."""
    return APIRouter(route_class=PageRoute, prefix="/console")


def _to_sign_in(request: Request) -> Response:
    """Redirect to the page that signs in. htmx follows no redirect to another page, but this header."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": SIGN_IN})
    return RedirectResponse(SIGN_IN, 303)
