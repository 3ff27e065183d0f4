"""The client of a request behind a proxy: the last hop, which the proxy itself wrote."""

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = b"x-forwarded-for"


class ForwardedMiddleware:
    """Set the client of a request over a Unix socket to the address that the proxy names: only that connects."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its client, or without one if there is no usable address."""
        if scope["type"] == "http" and _is_unix(scope):
            scope["client"] = last_hop(scope["headers"])
        await self._app(scope, receive, send)


def _is_unix(scope: Scope) -> bool:
    """Return whether the request came over a Unix socket: the server is then an absolute path without a port (ASGI)."""
    host, port = scope.get("server") or ("", 0)
    return port is None and str(host).startswith("/")


def last_hop(headers: list[tuple[bytes, bytes]]) -> tuple[str, int] | None:
    """Return the last address of the last such header, with port 0. Anybody may have written the earlier ones."""
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return None
    text = values[-1].rpartition(b",")[2].strip().decode("latin-1")
    try:
        return str(ip_address(text)), 0
    except ValueError:
        return None
