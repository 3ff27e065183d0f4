"""A receiver of webhooks: an HTTP server on loopback that keeps what it gets, and can be away."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread
from typing import Any

from tests.support.ports import free_port


@dataclass
class Delivery:
    """One request: its headers in lower case, and its body."""

    headers: dict[str, str]
    body: bytes


@dataclass
class WebhookReceiver:
    """What was received, and the status of the next answers. `meanwhile` runs before an answer.

    Events of the types in `rejected` are answered with that status.
    """

    port: int
    status: int = 204
    meanwhile: Callable[[], object] = lambda: None
    scheme: str = "http"
    rejected: dict[str, int] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/events"


def _type(body: bytes) -> str:
    return str(json.loads(body)["type"])


@contextmanager
def webhook_receiver(port: int | None = None, secure: SSLContext | None = None) -> Iterator[WebhookReceiver]:
    """Serve on `port`, or a free one, with TLS if `secure` is given. Keep requests that are answered 2xx."""
    receiver = WebhookReceiver(port or free_port(), scheme="http" if secure is None else "https")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.rejected.get(_type(body), receiver.status) if receiver.rejected else receiver.status
            if status < 300:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append(Delivery(headers, body))
            receiver.meanwhile()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", receiver.port), Handler)
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
