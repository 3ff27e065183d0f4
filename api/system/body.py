"""Bodies are bounded before anything reads them: in size, in time, in type."""

import asyncio
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MEDIA, NOT_AUTHENTICATED, TIMEOUT, TOO_LARGE, Kind, problem

MAX_OCTETS = 1024 * 1024
MAX_UNKNOWN_OCTETS = 64 * 1024
MAX_POLICY_OCTETS = 8 * 1024 * 1024
POLICY_PATHS = ("/v1/policy/diff", "/v1/policy/apply")
POLICY_TYPES = ("application/toml", "text/plain")
JSON_TYPES = ("application/json",)
READ_TIMEOUT_S = 30.0


class BodyMiddleware:
    """Reads the whole body, then passes the request on; answers 401, 408, 413 and 415 itself.

    What is large is read only from somebody whose token is `known`.
    """

    def __init__(self, app: ASGIApp, known: Callable[[str], bool]) -> None:
        self._app = app
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is whole, small enough and of an accepted type."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = scope["path"] in POLICY_PATHS
        limit, types = (MAX_POLICY_OCTETS, POLICY_TYPES) if policy else (MAX_OCTETS, JSON_TYPES)
        headers = {name.lower(): value for name, value in scope["headers"]}
        announced = headers.get(b"content-length", b"" if b"transfer-encoding" in headers else b"0")
        small = announced.isdigit() and int(announced) <= MAX_UNKNOWN_OCTETS
        known = small or await self._authenticated(headers.get(b"authorization", b""))
        try:
            body = await asyncio.wait_for(
                _read(receive, announced, limit if known else MAX_UNKNOWN_OCTETS), READ_TIMEOUT_S
            )
        except TimeoutError:
            await _refuse(scope, receive, send, TIMEOUT, f"the body did not arrive within {READ_TIMEOUT_S:.0f} s")
            return
        if body is None and not known:
            await _refuse(
                scope, receive, send, NOT_AUTHENTICATED, "send a token that is known here before a large body"
            )
            return
        if body is None:
            await _refuse(scope, receive, send, TOO_LARGE, f"at most {limit} octets are taken here")
            return
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if body and kind not in types:
            await _refuse(scope, receive, send, MEDIA, f"send the body as {' or '.join(types)}")
            return
        await self._app(scope, _replay(body, receive), send)

    async def _authenticated(self, header: bytes) -> bool:
        scheme, _, token = header.decode("latin-1").partition(" ")
        try:
            return scheme.lower() == "bearer" and await run_in_threadpool(self._known, token.strip())
        except SQLAlchemyError:
            return True  # The route meets the same database, and answers what is to be answered then.


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
    response = problem(kind, detail)
    # What is left of the body is not read: the connection cannot be used again.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
