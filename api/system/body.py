"""Bodies are bounded before anything reads them: in size, in time, in type."""

import asyncio
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors, rangefile
from api.problems import BAD_REQUEST, MEDIA, TIMEOUT, TOO_LARGE, Kind, id_of, of_error, problem

MAX_OCTETS = 1024 * 1024
MAX_UNKNOWN_OCTETS = 64 * 1024
MAX_POLICY_OCTETS = 8 * 1024 * 1024
JSON = (MAX_OCTETS, ("application/json",))
"""The most octets and the types of a body, where a path has none of its own."""
_POLICY = (MAX_POLICY_OCTETS, ("application/toml", "text/plain"))
OF_PATH = {
    "/v1/policy/diff": _POLICY,
    "/v1/policy/apply": _POLICY,
    "/v1/ranges/import": (rangefile.MAX_OCTETS, (rangefile.MEDIA_TYPE, "text/plain")),
}
READ_TIMEOUT_S = 30.0


class BodyMiddleware:
    """Reads the whole body, then passes the request on; answers 400, 401, 408, 413, 415 and 429 itself.

    Where the request has an Idempotency-Key, the scope gets its body's SHA-256.

    What is large is read only from somebody whose token is `known`; others are answered with `refusal`.
    """

    def __init__(
        self, app: ASGIApp, known: Callable[[str], bool], refusal: Callable[[str, Scope], errors.ApiError]
    ) -> None:
        self._app = app
        self._known = known
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is whole, small enough and of an accepted type."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, types = OF_PATH.get(scope["path"], JSON)
        headers = {name.lower(): value for name, value in scope["headers"]}
        if b"transfer-encoding" in headers and b"content-length" in headers:
            # RFC 9112 section 6.1: nobody can say which of the two whoever is between here and there went by.
            await _refuse(scope, receive, send, BAD_REQUEST, "send Content-Length or Transfer-Encoding, not both")
            return
        announced = b"" if b"transfer-encoding" in headers else headers.get(b"content-length", b"0")
        small = announced.isdigit() and int(announced) <= MAX_UNKNOWN_OCTETS
        token = _token(headers.get(b"authorization", b""))
        known = small or await self._authenticated(token)
        try:
            body = await asyncio.wait_for(
                _read(receive, announced, limit if known else MAX_UNKNOWN_OCTETS), READ_TIMEOUT_S
            )
        except TimeoutError:
            await _refuse(scope, receive, send, TIMEOUT, f"the body did not arrive within {READ_TIMEOUT_S:.0f} s")
            return
        if body is None and not known:
            error = await run_in_threadpool(self._refusal, token, scope)
            await _close(scope, receive, send, of_error(error, id_of(scope)))
            return
        if body is None:
            await _refuse(scope, receive, send, TOO_LARGE, f"at most {limit} octets are taken here")
            return
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if body and kind not in types:
            await _refuse(scope, receive, send, MEDIA, f"send the body as {' or '.join(types)}")
            return
        scope["body_sha256"] = sha256(body).hexdigest() if b"idempotency-key" in headers else ""
        await self._app(scope, _replay(body, receive), send)

    async def _authenticated(self, token: str) -> bool:
        try:
            return bool(token) and await run_in_threadpool(self._known, token)
        except SQLAlchemyError:
            return True  # The route meets the same database, and answers what is to be answered then.


def _token(header: bytes) -> str:
    """The token of an Authorization header, or an empty text."""
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _read(receive: Receive, announced: bytes, limit: int) -> bytes | None:
    """The body, or None where it is larger than `limit`; stops reading as soon as that is known."""
    if announced.isdigit() and int(announced) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _refuse(scope: Scope, receive: Receive, send: Send, kind: Kind, detail: str) -> None:
    await _close(scope, receive, send, problem(kind, detail, id_of(scope)))


async def _close(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    # What is left of the body is not read: the connection cannot be used again.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
