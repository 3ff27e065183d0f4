"""Errors as RFC 9457 problems: the one table from type to status, and the handlers that use it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api import errors
from api.schemas import ProblemRead
from dnsfilter.telemetry.logs import emit

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 100

log = logging.getLogger("dnsfilter.api")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, the last part of its `type`, and its title."""

    status: int
    slug: str
    title: str


NOT_AUTHENTICATED = Kind(401, "not-authenticated", "a token is needed")
FORBIDDEN = Kind(403, "forbidden", "the caller holds no role that allows it")
NOT_FOUND = Kind(404, "not-found", "not found")
METHOD = Kind(405, "method-not-allowed", "the resource has no such method")
TIMEOUT = Kind(408, "request-timeout", "the request's body did not arrive in time")
CONFLICT = Kind(409, "conflict", "what is recorded forbids it")
STALE = Kind(412, "stale", "the resource has changed")
TOO_LARGE = Kind(413, "too-large", "the request's body is too large")
MEDIA = Kind(415, "unsupported-media-type", "the body's type is not accepted here")
INVALID = Kind(422, "invalid", "the request is not valid")
TOO_MANY = Kind(429, "too-many-failures", "too many tokens from this address were not taken")
INTERNAL = Kind(500, "internal", "the control plane failed")
DATABASE = Kind(503, "database-unavailable", "the database did not take the transaction")
OVERLOADED = Kind(503, "overloaded", "too many requests at once")
NOT_PUBLISHED = Kind(503, "not-published", "recorded, but not yet in force")

OF_ERROR: dict[type[errors.ApiError], Kind] = {
    errors.NotAuthenticated: NOT_AUTHENTICATED,
    errors.Forbidden: FORBIDDEN,
    errors.TooMany: TOO_MANY,
    errors.NotFound: NOT_FOUND,
    errors.Conflict: CONFLICT,
    errors.Stale: STALE,
    errors.Invalid: INVALID,
    errors.NotPublished: NOT_PUBLISHED,
}
_OF_STATUS = {
    kind.status: kind for kind in (NOT_AUTHENTICATED, NOT_FOUND, METHOD, TIMEOUT, TOO_LARGE, MEDIA, INVALID, INTERNAL)
}


_HEADERS_OF = {NOT_AUTHENTICATED: {"WWW-Authenticate": 'Bearer realm="dnsfilter"'}}


def problem(kind: Kind, detail: str, faults: Sequence[errors.Fault] = ()) -> JSONResponse:
    """The response for a problem."""
    content: dict[str, Any] = {
        "type": f"/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if faults:
        content["faults"] = [{"place": fault.place, "message": fault.message} for fault in faults[:MAX_FAULTS]]
    headers = _HEADERS_OF.get(kind, {})
    return JSONResponse(content, kind.status, headers, MEDIA_TYPE)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can answer with these problems, besides 401, 403, 422 and 429."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in (NOT_AUTHENTICATED, FORBIDDEN, *kinds, INVALID, TOO_MANY):
        earlier = found.get(kind.status)
        title = f"{earlier['description']}; {kind.title}" if earlier else kind.title
        found[kind.status] = {"description": title, "model": ProblemRead}
    return found


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(errors.ApiError, _of_api_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(SQLAlchemyError, _of_database)
    app.add_exception_handler(Exception, _of_anything)


def _of_api_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ApiError):
        raise error
    return of_error(error)


def of_error(error: errors.ApiError) -> JSONResponse:
    """The response for an error that was raised on purpose."""
    faults = error.faults if isinstance(error, errors.Invalid | errors.Conflict) else ()
    response = problem(OF_ERROR[type(error)], str(error), faults)
    if isinstance(error, errors.TooMany):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _of_validation(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    # pydantic's own rendering repeats the input, which may be long or private: only place and message are taken.
    faults = [errors.Fault(".".join(str(part) for part in fault["loc"]), str(fault["msg"])) for fault in error.errors()]
    count = len(faults)
    return problem(INVALID, f"{count} fault{'s' if count != 1 else ''} in the request", faults)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 400:
        return problem(INVALID, "the request's body cannot be read")
    kind = _OF_STATUS.get(error.status_code, INTERNAL)
    details = {
        NOT_FOUND: "there is no such resource; /openapi.json lists them",
        METHOD: f"{request.method} is not possible here",
    }
    response = problem(kind, details.get(kind, kind.title))
    if error.headers:
        response.headers.update(error.headers)
    return response


def _of_database(_request: Request, error: Exception) -> JSONResponse:
    log.error("the database failed", exc_info=error)
    return problem(DATABASE, "nothing was recorded; try again")


def _of_anything(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback: the error is raised again once this answer is sent.
    emit(log, logging.ERROR, "a request failed", method=request.method, error=type(error).__name__)
    return problem(INTERNAL, "the log of the control plane says why")
