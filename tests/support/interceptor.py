"""A man in the middle between a node and its control plane. It can read and alter all unencrypted traffic."""

import socket
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

_PASSED_ON = ("authorization", "content-type", "if-none-match", "user-agent")


class Between:
    """A proxy: `with Between(sock, connect) as proxy:` listens at a bound socket. `proxy.alter` alters answers."""

    def __init__(self, sock: socket.socket, connect: Callable[[], HTTPConnection]) -> None:
        """Listen on `sock`. `connect` makes a connection to the control plane."""
        self.alter: Callable[[str, bytes], bytes] = lambda _path, body: body
        """A function from the path and body of an answer with status 200 to the body that is sent instead."""
        self._server = _Server(sock.getsockname(), _handler(self, connect), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = sock
        sock.settimeout(None)
        sock.listen(16)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: either side may close first."""


def _handler(between: Between, connect: Callable[[], HTTPConnection]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            connection = connect()
            try:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                data = answer.read()
            finally:
                connection.close()
            if answer.status == 200:
                data = between.alter(self.path, data)
            self.send_response(answer.status)
            if answer.headers["ETag"] is not None:
                self.send_header("ETag", answer.headers["ETag"])
            if answer.status != 304:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
