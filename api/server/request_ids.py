"""Give every request an id, and answer and log unexpected errors with it."""

import logging
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import of_error
from dnsfilter.telemetry.logs import emit

HEADER = b"x-request-id"
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer that has none of its own: no caching, no type sniffing, no referrer for other sites."""

log = logging.getLogger("dnsfilter.api")


def new_id() -> str:
    """Return a new request id. Ids of clients are not used: they could be anything, even another request's id."""
    return secrets.token_hex(12)


class RequestMiddleware:
    """The outermost middleware: set the scope's `request_id`, add common headers, answer unexpected errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. Answer 500 for an unhandled exception, and log its traceback."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = scope["request_id"] = new_id()
        begun = False

        async def adding(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = list(message.get("headers", []))
                given = {name for name, _ in own}
                added = [each for each in HEADERS if each[0] not in given]
                message = {**message, "headers": [*own, *added, (HEADER, known.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, adding)
        except Exception as error:
            emit(log, logging.ERROR, "a request failed", failure=error, method=scope["method"], request=known)
            if begun:
                raise
            await of_error(error, known)(scope, receive, adding)
