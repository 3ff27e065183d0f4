"""Limit request bodies in size, time and type before the application reads them."""

import asyncio
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.http.file_bodies import FORM, JSON
from api.http.problems import BAD_REQUEST, MEDIA, TIMEOUT, TOO_LARGE, Kind, id_of, of_error, problem
from api.range_import import csv_table
from api.server.request_limits import OF_NODES, token_of
from api.server.request_slots import Slots
from api.services.schemas import MAX_FILE_BYTES
from blocklists import signed_catalogue

MAX_BYTES = 1024 * 1024
MAX_UNKNOWN_BYTES = 64 * 1024
MAX_POLICY_BYTES = 8 * 1024 * 1024
_POLICY = (MAX_POLICY_BYTES, ("application/toml", "text/plain"))
OF_PATH: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "/console/*": (MAX_BYTES, (FORM,)),
    "/v1/policy/diff": _POLICY,
    "/v1/policy/apply": _POLICY,
    "/v1/catalogue": (2 * signed_catalogue.MAX_BYTES, ("application/octet-stream",)),
    "/v1/ranges/import": (csv_table.MAX_BYTES, (csv_table.MEDIA_TYPE, "text/plain")),
    "/v1/authorities/*/services/*/import": (MAX_FILE_BYTES, ("text/plain",)),
}
"""The most bytes and the media types of a file, by path. Every path accepts JSON of at most `MAX_BYTES`."""
READ_TIMEOUT_S = 30.0
LARGE_QUEUED_S = READ_TIMEOUT_S + 5
"""Seconds that a large body waits for a slot: longer than slow uploads can hold all slots."""
MAX_LARGE, MAX_LARGE_EACH = 8, 4
"""Concurrent bodies of more than `MAX_UNKNOWN_BYTES`, of all accounts or all nodes, and of one. A body counts from
reading until its request is answered."""

MAX_CHECKS = 8
"""Concurrent token checks of large requests."""


class BodyMiddleware:
    """Read a body, then pass the request on. Answer 400, 401, 403, 408, 413, 415, 429 and 503 without the application.

    Never pass on an incomplete body: the received part could be a valid act itself.

    If the request has an Idempotency-Key, put the body's SHA-256 into the scope.

    Read a large body only if `sender` names its sender, and only once there is a slot for it. Answer others with
    `refusal`, or with 413 if that is None.
    """

    def __init__(
        self,
        app: ASGIApp,
        sender: Callable[[str, Scope], str | None],
        refusal: Callable[[str, Scope], errors.ApiError | None],
        most_large: int = MAX_LARGE,
        most_large_each: int = MAX_LARGE_EACH,
        queued_s: float = LARGE_QUEUED_S,
    ) -> None:
        self._app = app
        self._sender = sender
        self._refusal = refusal
        # Checks have their own threads: recording a refusal waits to write, and must not block other requests.
        self._checking = CapacityLimiter(MAX_CHECKS)
        self._of_nodes, self._of_people = (Slots(most_large, most_large_each, queued_s) for _ in range(2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request if its body is complete, small enough and of an accepted type."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if b"transfer-encoding" in headers and b"content-length" in headers:
            # RFC 9112 section 6.1: a proxy may have used either of the two.
            await _refuse(scope, receive, send, BAD_REQUEST, "send Content-Length or Transfer-Encoding, not both")
            return
        announced = _announced(headers)
        small = announced.isdigit() and int(announced) <= MAX_UNKNOWN_BYTES
        sender = None if small else await self._sender_of(scope)
        slots = self._of_nodes if scope["path"].startswith(OF_NODES) else self._of_people
        if sender is None:
            await self._read_and_pass_on(scope, receive, send, headers, large=False)
        elif await slots.take(sender):
            try:
                await self._read_and_pass_on(scope, receive, send, headers, large=True)
            finally:
                slots.give_back(sender)
        else:
            error = errors.Overloaded("many large bodies are being read; try again soon")
            await _close(scope, receive, send, of_error(error, id_of(scope)))

    async def _read_and_pass_on(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], *, large: bool
    ) -> None:
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        bounds = (kept for path, kept in OF_PATH.items() if fnmatchcase(scope["path"], path))
        most, files = next(bounds, (MAX_BYTES, ()))
        limit = (MAX_BYTES if kind == JSON else most) if large else MAX_UNKNOWN_BYTES
        try:
            body = await asyncio.wait_for(_read(receive, _announced(headers), limit), READ_TIMEOUT_S)
        except TimeoutError:
            await _refuse(scope, receive, send, TIMEOUT, f"the body did not arrive within {READ_TIMEOUT_S:.0f} s")
            return
        except ClientDisconnect:
            # The client has left. This answer is for the log and the metrics.
            await _refuse(scope, receive, send, BAD_REQUEST, "the body is incomplete")
            return
        if body is None:
            error = None if large else await run_sync(self._refusal, token_of(scope), scope, limiter=self._checking)
            hint = f": send a larger file as {files[0]}" if files and limit < most and kind == JSON else ""
            too_large = problem(TOO_LARGE, f"at most {limit} bytes are accepted here{hint}", id_of(scope))
            await _close(scope, receive, send, of_error(error, id_of(scope)) if error else too_large)
            return
        if body and kind not in (JSON, *files):
            await _refuse(scope, receive, send, MEDIA, f"send the body as {' or '.join((JSON, *files))}")
            return
        scope["media_type"] = kind
        scope["body_sha256"] = sha256(body).hexdigest() if b"idempotency-key" in headers else ""
        await self._app(scope, _replay(body, receive), send)

    async def _sender_of(self, scope: Scope) -> str | None:
        token = token_of(scope)
        try:
            return await run_sync(self._sender, token, scope, limiter=self._checking) if token else None
        except SQLAlchemyError:
            return token  # The route uses the same database, and answers with its error.


def _announced(headers: Mapping[bytes, bytes]) -> bytes:
    """Return Content-Length, or an empty text for a chunked body."""
    return b"" if b"transfer-encoding" in headers else headers.get(b"content-length", b"0")


async def _read(receive: Receive, announced: bytes, limit: int) -> bytes | None:
    """Return the body, or None if it is larger than `limit`. Stop reading as soon as that is known.

    Raise ClientDisconnect if the body is shorter than announced, or has no end.
    """
    if announced.isdigit() and int(announced) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            if announced.isdigit() and size < int(announced):
                raise ClientDisconnect
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
    # The rest of the body is not read, so the connection cannot be used again.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
