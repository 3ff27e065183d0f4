"""Errors as RFC 9457 problems: the table from error type to status, and the handlers that use it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api import errors
from api.db.unusable import DISK_FULL, Unusable, is_disk_full
from api.http.entity_tags import etag
from api.http.schemas import MAX_LOCATION, ProblemRead, location_of, words_of
from dnsfilter.telemetry.logs import emit
from dnsfilter.translatable import Text

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = errors.Invalid.MAX_LISTED

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, the last part of its `type`, its title, what it means and what to do next."""

    status: int
    slug: str
    title: str
    meaning: str


BAD_REQUEST = Kind(
    400,
    "bad-request",
    "the request is not valid HTTP",
    "The server cannot read the request as HTTP. Check the client, and the proxy in front of the API.",
)
NOT_AUTHENTICATED = Kind(
    401,
    "not-authenticated",
    "a token is needed",
    "The request has no token, or one that is unknown, expired or revoked. Send `Authorization: Bearer TOKEN`.",
)
FORBIDDEN = Kind(
    403,
    "forbidden",
    "not allowed",
    "The account lacks the role that the operation needs. `detail` names the role. Ask an administrator for it.",
)
NOT_FOUND = Kind(
    404,
    "not-found",
    "not found",
    "What the request names does not exist, or the account may not see it. `detail` may name a similar one.",
)
METHOD = Kind(
    405,
    "method-not-allowed",
    "the resource has no such method",
    "The address exists, but not with this method. `Allow` lists its methods.",
)
TIMEOUT = Kind(
    408,
    "request-timeout",
    "the request's body did not arrive in time",
    "The body arrived too slowly, and nothing was done. Send the request again.",
)
CONFLICT = Kind(
    409,
    "conflict",
    "existing data forbids it",
    "The act contradicts what is recorded, and nothing was done. `detail` says what, and often a way out.",
)
WITHHELD = Kind(
    409,
    "withheld",
    "it would do more than the request allows",
    "The act would do more than the request allows, and nothing was done. Check what it would do, then allow more.",
)
STALE = Kind(
    412,
    "stale",
    "the resource has changed",
    "The object is not the one that `If-Match` or `If-None-Match` names, and nothing was done. "
    "Read it again, then decide. `ETag` has the revision of an object that has changed.",
)
TOO_LARGE = Kind(
    413,
    "too-large",
    "the request's body is too large",
    "The body is larger than the operation accepts. Send less at once.",
)
MEDIA = Kind(
    415,
    "unsupported-media-type",
    "the body's media type is not accepted here",
    "The operation does not take a body of this media type. The description of the API lists those that it takes.",
)
INVALID = Kind(
    422,
    "invalid",
    "the request is not valid",
    "A value is missing, malformed or contradicts another one. `faults` lists each with its location and what to give.",
)
TOO_MANY = Kind(
    429,
    "too-many-failures",
    "too many authentication failures from this address",
    "Too many requests from this address had a wrong token. Wait as long as `Retry-After` says.",
)
TOO_MANY_AT_ONCE = Kind(
    429,
    "too-many-at-once",
    "too many requests of one caller at once",
    "The account has as many requests under way as it may. Wait for one to end, then try again.",
)
INTERNAL = Kind(
    500,
    "internal",
    "the control plane failed",
    "The control plane has a fault. Its log has the reason, under the id in `request`. Report it.",
)
DATABASE = Kind(
    503,
    "database-unavailable",
    "the database did not accept the transaction",
    "The database did not take the act, and nothing was recorded. Try again; `detail` may name the obstacle.",
)
OVERLOADED = Kind(
    503,
    "overloaded",
    "too many requests at once",
    "The control plane works on as many requests as it can. Wait as long as `Retry-After` says, then try again.",
)
NOT_PUBLISHED = Kind(
    503,
    "not-published",
    "recorded, but not yet in force",
    "The act is recorded, but nodes do not have it yet. Do not repeat it: publishing is tried again by itself.",
)

TEXTS = "problem_texts"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a problem as they were raised: each may be a `Text`, which can be translated."""

    detail: str
    faults: Sequence[errors.Fault]


KINDS: Mapping[str, Kind] = {kind.slug: kind for kind in list(vars().values()) if isinstance(kind, Kind)}
"""Every kind by the last part of its `type`."""

OF_ERROR: dict[type[errors.ApiError], Kind] = {
    errors.NotAuthenticated: NOT_AUTHENTICATED,
    errors.Forbidden: FORBIDDEN,
    errors.TooMany: TOO_MANY,
    errors.TooManyAtOnce: TOO_MANY_AT_ONCE,
    errors.Overloaded: OVERLOADED,
    errors.NotFound: NOT_FOUND,
    errors.Conflict: CONFLICT,
    errors.Withheld: WITHHELD,
    errors.Stale: STALE,
    errors.Invalid: INVALID,
    errors.BadRows: INVALID,
    Unusable: DATABASE,
    errors.NotPublished: NOT_PUBLISHED,
}
_OF_STATUS = {
    kind.status: kind for kind in (NOT_AUTHENTICATED, NOT_FOUND, METHOD, TIMEOUT, TOO_LARGE, MEDIA, INVALID, INTERNAL)
}


_HEADERS_OF = {NOT_AUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="dnsfilter"'}}


def problem(
    kind: Kind, detail: str, request: str, faults: Sequence[errors.Fault] = (), most: int = MAX_FAULTS
) -> JSONResponse:
    """Return the response for a problem. `request` is the request's id. At most `most` faults are listed."""
    return ProblemResponse(kind, detail, request, faults, most)


class ProblemResponse(JSONResponse):
    """The answer of a problem. It leaves its texts in the request's scope: pages of the console translate them."""

    def __init__(self, kind: Kind, detail: str, request: str, faults: Sequence[errors.Fault], most: int) -> None:
        super().__init__(
            content(kind, detail, request, faults, most), kind.status, _HEADERS_OF.get(kind, {}), MEDIA_TYPE
        )
        self._texts = Texts(detail, faults[:most])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        scope[TEXTS] = self._texts
        await super().__call__(scope, receive, send)


def content(
    kind: Kind, detail: str, request: str, faults: Sequence[errors.Fault] = (), most: int = MAX_FAULTS
) -> dict[str, Any]:
    """Return the body of a problem."""
    body: dict[str, Any] = {
        "type": f"/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "request": request,
    }
    if faults:
        body["faults"] = [
            {"location": fault.location[:MAX_LOCATION], "message": fault.message} for fault in faults[:most]
        ]
    return body


def id_of(scope: Mapping[str, Any]) -> str:
    """Return the id of a request, or an empty text if it has none yet."""
    return str(scope.get("request_id", ""))


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that can answer with 401, 403, 422, 429 and these problems."""
    return responses_of(NOT_AUTHENTICATED, FORBIDDEN, *kinds, INVALID, TOO_MANY)


def responses_of(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that can answer with these problems alone: anybody may call it."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        earlier = found.get(kind.status)
        title = f"{earlier['description']}; {kind.title}" if earlier else kind.title
        found[kind.status] = {"description": title, "model": ProblemRead}
    return found


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem. The outermost middleware answers unexpected errors."""
    app.add_exception_handler(errors.ApiError, _of_api_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(SQLAlchemyError, _of_database)


def _of_api_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ApiError):
        raise error
    return of_error(error, id_of(request.scope))


def of_error(error: Exception, request: str) -> JSONResponse:
    """Return the response for an error; `request` is the request's id."""
    kind, detail, faults = cause(error)
    most = error.MAX_LISTED if isinstance(error, errors.Invalid) else MAX_FAULTS
    response = problem(kind, detail, request, faults, most)
    if isinstance(error, errors.Stale) and error.revision is not None:
        response.headers["ETag"] = etag(error.revision)
    if isinstance(error, errors.TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.TooManyAtOnce | errors.Overloaded):
        response.headers["Retry-After"] = "1"
    return response


def cause(error: Exception) -> tuple[Kind, str, Sequence[errors.Fault]]:
    """Return the kind, detail and faults of the problem that answers an error."""
    match error:
        case errors.Invalid() | errors.Conflict():
            return OF_ERROR[type(error)], str(error), error.faults
        case errors.ApiError():
            return OF_ERROR[type(error)], str(error), ()
        case DataError():
            # PostgreSQL accepts no NUL in a text, and no number or text that is larger than the column.
            return INVALID, Text("the request has a value that cannot be stored or searched"), ()
        case SQLAlchemyError() if is_disk_full(error):
            return DATABASE, f"nothing was recorded: disk full. {DISK_FULL.capitalize()}, then try again", ()
        case SQLAlchemyError():
            return DATABASE, Text("nothing was recorded; try again"), ()
    return INTERNAL, Text("the log of the control plane has the reason"), ()


def _of_validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    # pydantic's own text repeats the input, which may be long or private.
    found = (errors.Fault(location_of(fault["loc"]), words_of(fault)) for fault in error.errors())
    # FastAPI repeats the fault of a parameter for each dependency that reads it.
    faults = list(dict.fromkeys(found))
    count = len(faults)
    detail = Text("1 fault in the request") if count == 1 else Text("{count} faults in the request", count=count)
    return problem(INVALID, detail, id_of(request.scope), faults)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    known = id_of(request.scope)
    if error.status_code == 400:
        return problem(INVALID, "the request's body cannot be read", known)
    kind = _OF_STATUS.get(error.status_code, INTERNAL)
    details = {
        NOT_FOUND: "there is no such resource; /openapi.json lists them",
        METHOD: f"{request.method} is not possible here",
    }
    response = problem(kind, details.get(kind, kind.title), known)
    if error.headers:
        response.headers.update(error.headers)
    if kind is METHOD:
        # The router knows only the methods of the first route with that path.
        response.headers["Allow"] = ", ".join(request.app.state.allowed(request.url.path))
    return response


def _of_database(request: Request, error: Exception) -> JSONResponse:
    known = id_of(request.scope)
    if isinstance(error, DataError):
        emit(log, logging.WARNING, "the database refused a value", failure=error, request=known)
    else:
        emit(log, logging.ERROR, "the database failed", failure=error, request=known)
    return of_error(error, known)
