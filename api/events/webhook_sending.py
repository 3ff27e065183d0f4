"""Send an event to a webhook: one signed POST, with limits on time and on what is read of the answer."""

import io
import socket
import ssl
from collections.abc import Iterator, Sequence
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from api.delivery.connecting import PrivateAddress, connect
from api.delivery.mail import describe_failure
from dnsfilter import __version__
from dnsfilter.policy.model import Prefix

TIMEOUT_S = 10.0
"""Time to connect to an address, and time for the request and its answer together."""
PIECE = 16 * 1024
PRIVATE_SETTING = "DNSFILTER_API_WEBHOOK_NETWORKS"
"""The setting that names private networks at which webhooks may be."""

NOT_NOW = frozenset({408, 425, 429, 502, 503, 504})
"""Answers by which a receiver, or a proxy in front of it, says that it cannot take any event now."""


class NotTaken(Exception):
    """Raised when the receiver did not take an event. The message is the reason, without the receiver's words."""


class Rejected(NotTaken):
    """Raised when the receiver answered that it does not take this event."""


class WebhookClient:
    """HTTP to the receivers of webhooks. Several threads may use it.

    It uses no proxy of the environment and follows no redirect: only the named receiver gets events. A receiver may be
    on the internet, at a loopback address, or in one of the networks `private`.
    """

    def __init__(self, private: Sequence[Prefix] = ()) -> None:
        self._private = private

    @cached_property
    def _secure(self) -> ssl.SSLContext:
        # Made at the first event: loading the machine's CAs takes 20 ms.
        return ssl.create_default_context()

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Send an event. Return if the receiver answers 2xx. Raise Rejected for another answer, else NotTaken."""
        try:
            status = self._status(url, body, headers)
        except TimeoutError:
            raise NotTaken(f"no answer within {TIMEOUT_S:.0f} s") from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise NotTaken(describe_failure(error)) from error
        if status in NOT_NOW:
            raise NotTaken(f"answered {status}")
        if not 200 <= status < 300:
            raise Rejected(f"answered {status}")

    def _status(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        where = urlsplit(url)
        target = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
        connection = (
            HTTPSConnection(where.hostname or "", where.port, context=self._secure)
            if where.scheme == "https"
            else HTTPConnection(where.hostname or "", where.port)
        )
        try:
            own = {"Content-Type": "application/json", "User-Agent": f"dnsfilter-api/{__version__}"}
            connection.sock = self._connected(where)
            exchange = _Exchange(connection.sock)
            size = {"Content-Length": str(len(body))}
            connection.request("POST", target, exchange.pieces(body), {**own, **size, **headers})
            response = HTTPResponse(exchange, method="POST")  # type: ignore[arg-type]
            # The body of the answer is not read.
            response.begin()
            return response.status
        finally:
            connection.close()

    def _connected(self, where: SplitResult) -> socket.socket:
        """Return a connection to the receiver. Raise NotTaken, or OSError."""
        host, is_secure = where.hostname or "", where.scheme == "https"
        port = where.port or (443 if is_secure else 80)
        try:
            plain = connect(host, port, TIMEOUT_S, self._private, loopback=True)
        except PrivateAddress as error:
            raise NotTaken(f"{error} is a private address: name its network in {PRIVATE_SETTING}") from None
        return self._secure.wrap_socket(plain, server_hostname=host) if is_secure else plain


class _Exchange(io.RawIOBase):
    """A request and its answer on a connection, with one time limit for both. Raise TimeoutError at its end.

    A timeout of the socket alone would begin again with each byte that the receiver sends.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until_s = monotonic() + TIMEOUT_S

    def pieces(self, body: bytes) -> Iterator[bytes]:
        """Yield a request's body. Sending a piece takes no longer than what is left of the time."""
        for start in range(0, len(body), PIECE):
            self._limit()
            yield body[start : start + PIECE]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what the receiver answers, as `HTTPResponse` asks a socket for it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive the next bytes."""
        self._limit()
        return self._connection.recv_into(buffer)

    def _limit(self) -> None:
        left_s = self._until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
