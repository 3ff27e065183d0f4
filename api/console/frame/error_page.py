"""Errors as pages: the status in words, the reason, and what to do next. The frame has its menu in a session."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.console.frame.calls import English, Refused, faults_by_api, said_by_api
from api.console.frame.language import language_of
from api.console.frame.page_words import N_
from api.console.frame.rendering import render
from api.console.frame.security_headers import HEADERS
from api.errors import ApiError, Fault
from api.http.problems import MEDIA_TYPE, TEXTS, Texts, cause, id_of
from api.http.schemas import location_of, words_of
from dnsfilter.translatable import Text

if TYPE_CHECKING:
    from api.console.frame.visit import Visit

PATHS = ("/console", "/register")
"""The addresses of pages begin with these."""
VISIT = "visit"
"""The name of the visit in the state of a request."""
_FAILED = (N_("This did not work"), N_("Go back, and try again."))
_SAID: Mapping[int, tuple[str, str]] = {
    403: (N_("You may not do this"), N_("If you need it, ask an approver or an administrator for the role.")),
    404: (N_("There is no such page"), N_("Check the address, or go to another page.")),
    405: (N_("There is no such page"), N_("Check the address, or go to another page.")),
    409: (N_("This is not possible"), N_("Go back, and look at how it is now.")),
    412: (N_("It has changed since you opened the page"), N_("Go back, reload the page, and decide then.")),
    413: (N_("What you sent is too large"), N_("Go back, and send less at once.")),
    422: (N_("The request is not valid"), N_("Go back, correct it, and try again.")),
    429: (N_("Too many requests at once"), N_("Wait a minute, then try again.")),
    500: (
        N_("dnsfilter has failed"),
        N_("Look first whether it was done, before you try again. If it fails again, report the number below."),
    ),
    503: (N_("dnsfilter cannot do this now"), N_("Wait a minute, then try again.")),
}
"""The title of each status, and what to do next."""

EXPECTED = (Refused, ApiError, RequestValidationError, HTTPException)
"""The errors that pages raise on purpose. The others are answered and logged as those of the API."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong: its status, why, and which values do not fit."""

    status: int
    detail: str = ""
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def is_ours(self) -> bool:
        """Return whether the control plane has a fault, not the request."""
        return self.status >= 500


async def error_page(request: Request, error: Exception) -> Response:
    """Return the page of an error that is expected."""
    found, visit = _problem(error), _visit_of(request)
    # What failed may fail again, so the page of a fault of the control plane reads nothing.
    suspended = {} if visit is None or found.is_ours else await visit.suspended()
    answer = _shown(request, found, suspended)
    if request.headers.get("hx-request") and not request.headers.get("hx-boosted"):
        # htmx keeps the part of a page that it has fetched by itself.
        answer.headers["HX-Reswap"] = "none"
    return answer


def _problem(error: Exception) -> Problem:
    match error:
        case Refused():
            return _of_faults(error.status, error.detail, error.faults)
        case RequestValidationError():
            faults = [Fault(location_of(each["loc"]), words_of(each)) for each in error.errors()]
            return _of_faults(422, "", faults_by_api(faults))
        case HTTPException():
            return Problem(error.status_code)
    kind, detail, found = cause(error)
    return _of_faults(kind.status, said_by_api(detail), faults_by_api(found))


def _of_faults(status: int, detail: str, faults: Iterable[Fault]) -> Problem:
    """Return a problem with each fault once, by the name of its value. Without faults, `detail` has the reason."""
    named = tuple(dict.fromkeys((fault.location.rpartition(".")[2], fault.message) for fault in faults))
    return Problem(status, "" if named else detail, named)


def _visit_of(request: Request) -> "Visit | None":
    """Return the visit of a request, if it got that far."""
    found: Visit | None = getattr(request.state, VISIT, None)
    return found


def _shown(request: Request, problem: Problem, suspended: Mapping[str, object]) -> Response:
    title, advice = _SAID.get(problem.status, _FAILED)
    # A text of a fault of the control plane is for its log, unless it has a template.
    detail = "" if problem.is_ours and isinstance(problem.detail, English) else problem.detail
    return render(
        "error.html.jinja",
        language_of(request),
        status=problem.status,
        visit=_visit_of(request),
        done="",
        **{"suspended": (), **suspended},
        title=title,
        advice=advice,
        detail=detail,
        faults=problem.faults,
        request=id_of(request.scope),
    )


class ErrorPages:
    """Middleware: any other problem becomes a page too, such as that of overload or of an unexpected error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and send a page in place of a problem."""
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        problem: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal problem
            if message["type"] == "http.response.start" and _is_problem(message):
                problem = message
            elif problem is None:
                await send(message)

        await self._app(scope, receive, sending)
        if problem is not None:
            texts: Texts | None = scope.get(TEXTS)
            detail = texts.detail if texts is not None and isinstance(texts.detail, Text) else ""
            page = _shown(Request(scope), Problem(problem["status"], detail), {})
            page.headers.update({**_kept(problem), **HEADERS})
            await page(scope, receive, send)


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type") == MEDIA_TYPE


def _kept(start: Message) -> Mapping[str, str]:
    """Return the headers of a problem that its page has too: those that do not describe the body."""
    return {name: value for name, value in Headers(raw=start["headers"]).items() if not name.startswith("content-")}
