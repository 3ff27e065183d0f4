"""HTTP with one time limit for several requests, and with connections that the caller makes and so can check.

httpx makes its own connections and has a timeout for each read only. So this is a transport around httpcore's pool,
with connections of its own.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

import httpcore2
import httpx2


class _Connection(httpcore2.NetworkStream):
    """A connection that no read or write keeps open past an instant. Raise TimeoutError then."""

    def __init__(self, connection: socket.socket, until_s: float) -> None:
        self._connection = connection
        self._until_s = until_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive bytes."""
        self._limit()
        return self._connection.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        self._limit()
        self._connection.sendall(buffer)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Connection":
        """Return the connection with TLS. A failure closes it."""
        self._limit()
        try:
            return _Connection(
                ssl_context.wrap_socket(self._connection, server_hostname=server_hostname), self._until_s
            )
        except (OSError, ValueError):
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Return None: nothing further is known of the connection."""
        return None

    def _limit(self) -> None:
        left_s = self._until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)


class _Backend(httpcore2.NetworkBackend):
    """Connections made by `connect`, which is called with host, port and seconds left."""

    def __init__(self, connect: Callable[[str, int, float], socket.socket], until_s: float) -> None:
        self._connect = connect
        self._until_s = until_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> _Connection:
        """Connect to a host."""
        left_s = self._until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        return _Connection(self._connect(host, port, left_s), self._until_s)


class _Pieces(httpx2.SyncByteStream):
    """The content of an answer."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        """End the exchange."""
        self._response.close()


class TimedTransport(httpx2.BaseTransport):
    """A transport of httpx until an instant. Raise errors of sockets, TLS and httpcore, and those of `connect`."""

    def __init__(
        self, secure: ssl.SSLContext, connect: Callable[[str, int, float], socket.socket], until_s: float
    ) -> None:
        self._pool = httpcore2.ConnectionPool(
            secure, max_keepalive_connections=0, network_backend=_Backend(connect, until_s)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Return the answer, whose content is not yet read."""
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        content = request.stream
        assert isinstance(content, httpx2.SyncByteStream)
        sent = httpcore2.Request(request.method, url, headers=request.headers.raw, content=content)
        answer = self._pool.handle_request(sent)
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Pieces(answer))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
