"""The server of the control plane's metrics."""

import socket
from collections.abc import Iterable
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer

from api.settings import Endpoint
from dnsfilter.telemetry.exposition import write_page

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class MetricsServer:
    """Serve metrics on a separate port, in a thread. Raise OSError if the port is in use."""

    def __init__(self, endpoint: Endpoint, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._turn = Lock()
        ((family, *_), *_) = socket.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )

        class OfFamily(ThreadingWSGIServer):
            address_family = family

        self._server = make_server(endpoint.host, endpoint.port, self._answer, OfFamily, _SilentHandler)
        self.endpoint = Endpoint(endpoint.host, int(self._server.server_port))
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a scrape, on any path. `?name[]=` selects metrics."""
        if environ["REQUEST_METHOD"] != "GET":
            start_response("405 Method Not Allowed", [("Allow", "GET"), ("Content-Type", "text/plain; charset=utf-8")])
            return [b"only GET\n"]
        names = parse_qs(environ.get("QUERY_STRING", "")).get("name[]")
        found = self._registry.restricted_registry(names) if names else self._registry
        with self._turn:  # concurrent scrapes share one connection to the database
            families = list(found.collect())
        page = write_page(families, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", ""))
        start_response("200 OK", list(page.headers))
        return [page.body]


class _SilentHandler(WSGIRequestHandler):
    """Log no scrapes."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        pass
