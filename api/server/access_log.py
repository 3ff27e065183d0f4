"""Log and measure each request by its route template. Neither contains parameters or names of the request."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import id_of
from api.server.metrics.collectors import RequestMetrics
from dnsfilter.telemetry.logs import emit

QUIET = frozenset({"/v1/nodes/self/snapshot", "/v1/nodes/self/report"})
"""Frequent requests of nodes: they are logged at level info only if they fail."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

log = logging.getLogger("dnsfilter.api.access")


class AccessMiddleware:
    """Log the final status of every request."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then log method, route, status and duration. Subtract time that it only waited."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            duration_s = perf_counter() - started - scope.get("rested_s", 0.0)
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", UNMATCHED)
            self._metrics.note(method, route, status, duration_s)
            took_ms = f"{1000 * duration_s:.1f}"
            emit(
                log,
                logging.DEBUG if route in QUIET and status < 400 else logging.INFO,
                "request",
                method=method,
                route=route,
                status=status,
                ms=took_ms,
                request=id_of(scope),
            )
