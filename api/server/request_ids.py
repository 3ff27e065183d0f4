"""Every request gets an id, and every answer has it; what nobody foresaw is answered, and logged under it."""

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
"""Of every answer: nothing is cached, sniffed or told to other sites."""

log = logging.getLogger("dnsfilter.api")


def new_id() -> str:
    """An id of a request: ours, since what a client sends could be anything, also another's."""
    return secrets.token_hex(12)


class RequestMiddleware:
    """Outermost middleware: sets the scope's `request_id`, adds the headers of every answer, answers what failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an exception that nobody handled becomes a 500, and a line with its traceback."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = scope["request_id"] = new_id()
        begun = False

        async def adding(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = [*message.get("headers", []), *HEADERS, (HEADER, known.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, adding)
        except Exception as error:
            emit(log, logging.ERROR, "a request failed", failure=error, method=scope["method"], request=known)
            if begun:
                raise
            await of_error(error, known)(scope, receive, adding)
