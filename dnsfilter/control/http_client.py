"""HTTP client of a node for its control plane: bounded answers, no redirect, no proxy, can be closed at any time."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from dnsfilter import __version__
from dnsfilter.config.node_config import ControlPlane
from dnsfilter.engine.clock import Reference, SystemClock
from dnsfilter.errors import UnavailableError

CONNECT_S = 5.0
SILENCE_S = 10.0
"""Seconds that the control plane may send nothing, in addition to the requested wait."""
LARGEST_PROBLEM = 65_536
LONGEST_RETRY_S = 300
_PIECE = 1 << 20
_DETAIL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, entity tag, body, and the seconds of its Retry-After."""

    status: int
    tag: str | None
    body: bytes
    retry_after_s: int = 0


class RetryLater(UnavailableError):
    """The control plane asks the node to retry after `for_s` seconds."""

    def __init__(self, text: str, for_s: int) -> None:
        super().__init__(text)
        self.for_s = for_s


class NodeTokenRejected(UnavailableError):
    """The control plane no longer accepts this node's token. A retry does not help."""


class ControlClient:
    """One persistent connection. One thread asks within `with`, and any thread may `close` it."""

    def __init__(self, control: ControlPlane) -> None:
        """Initialize. Raise UnavailableError if the file of certificates cannot be used."""
        if control.url is None:
            raise ValueError("make a client of the control plane: control_plane.url is missing")
        self.url = control.url
        parts = urlsplit(control.url)
        self._host, self._path = parts.hostname or "", parts.path
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = trust_of(control) if parts.scheme == "https" else None
        self.is_at_home = control.is_at_home
        """Whether the control plane is on this machine."""
        self.is_private = self._tls is not None or self.is_at_home
        """Whether nobody on the network can read the token."""
        self.heard: Reference | None = None
        """The time in the last answer. None if that is no evidence: without TLS, or from this machine's own clock."""
        self._connection: HTTPConnection | None = None
        self._is_elsewhere = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        self._drop()

    def ask(
        self,
        method: str,
        path: str,
        token: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        largest: int = LARGEST_PROBLEM,
        wait_s: float = 0.0,
        within_s: float = 30.0,
    ) -> Answer:
        """Send a request and return the answer with any status, also a redirect.

        `wait_s` is the wait that the request asks for, `within_s` the time limit for the body after that. Raise
        UnavailableError if there is no complete answer of at most `largest` bytes (LARGEST_PROBLEM for an error).
        """
        sent = {"Authorization": f"Bearer {token}", "User-Agent": f"dnsfilter/{__version__}", **(headers or {})}
        try:
            response = self._respond(method, self._path + path, sent, body, wait_s)
            limit = largest if response.status < 400 else LARGEST_PROBLEM
            content = self._read(response, limit, time.monotonic() + within_s)
        except (OSError, HTTPException, ValueError) as error:
            self._drop()
            if self._closed:
                raise UnavailableError(f"ask {self.url}: cancelled") from error
            raise UnavailableError(f"ask {self.url}{path.partition('?')[0]}: {reason_text(error)}") from error
        self._note_date(response.getheader("Date"))
        return Answer(response.status, response.getheader("ETag"), content, _seconds(response.getheader("Retry-After")))

    def _note_date(self, text: str | None) -> None:
        date_s = date_of(text)
        if date_s is not None and self._tls is not None and self._is_elsewhere:
            self.heard = Reference(int(date_s), SystemClock().boot_ns() // 1_000_000)

    def close(self) -> None:
        """End a running request in any thread, and refuse further ones."""
        self._closed = True
        self._shut()

    def _respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, wait_s: float
    ) -> HTTPResponse:
        """Return the start of an answer. Ask again on a new connection if the server has closed the kept one."""
        kept = self._connection is not None
        try:
            return self._respond_once(method, path, headers, body, wait_s)
        except ConnectionError:
            self._drop()
            if not kept or self._closed:
                raise
        return self._respond_once(method, path, headers, body, wait_s)

    def _respond_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, wait_s: float
    ) -> HTTPResponse:
        connection = self._connected()
        connection.sock.settimeout(SILENCE_S + wait_s)
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        if connection.sock is not None:
            connection.sock.settimeout(SILENCE_S)
        return response

    def _connected(self) -> HTTPConnection:
        connection = self._connection
        if connection is None:
            if self._tls is None:
                connection = HTTPConnection(self._host, self._port, timeout=CONNECT_S)
            else:
                connection = HTTPSConnection(self._host, self._port, timeout=CONNECT_S, context=self._tls)
            connection.connect()
            self._connection, self._is_elsewhere = connection, is_elsewhere(connection.sock)
        elif connection.sock is None:
            connection.connect()
        if self._closed:
            self._shut()
        return connection

    def _read(self, response: HTTPResponse, limit: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := response.read1(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
            if time.monotonic() > deadline:
                raise TimeoutError("it takes too long to answer")
        if left <= 0:
            raise ValueError(f"its answer has more than {limit} bytes")
        if response.length:
            raise ValueError(f"its answer ends {response.length} bytes early")
        response.close()  # needed before the connection can be used again
        return b"".join(pieces)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _shut(self) -> None:
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with suppress(OSError):
                # Not SSLSocket's own shutdown, which breaks another thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def is_elsewhere(connected: socket.socket) -> bool:
    """Return whether the peer is on another machine, with a clock of its own."""
    peer = ip_address(connected.getpeername()[0])
    return not peer.is_loopback and peer != ip_address(connected.getsockname()[0])


def date_of(text: str | None) -> float | None:
    """Return the instant of a Date field (RFC 9110, section 6.6.1). None if there is none, or if it is invalid."""
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def failure(action: str, answer: Answer) -> UnavailableError:
    """Return the error for an unsuccessful answer to a request with a node's own token."""
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NodeTokenRejected(f"{action}: it no longer accepts this node's token; enrol this node again")
    text = f"{action}: it answers with {refusal(answer)}"
    return RetryLater(text, answer.retry_after_s) if answer.retry_after_s else UnavailableError(text)


def _seconds(text: str | None) -> int:
    """Return the seconds of a Retry-After (RFC 9110, section 10.2.3), at most LONGEST_RETRY_S; 0 for a date or None."""
    if text is None or not text.isascii() or not text.isdecimal():
        return 0
    return min(int(text[:9]), LONGEST_RETRY_S)


def refusal(answer: Answer) -> str:
    """Return the text of an error answer: its status, and the detail of a problem document (RFC 9457) on one line."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    detail = value.get("detail") if isinstance(value, dict) else None
    more = f": {' '.join(detail.split())[:_DETAIL_CHARS]}" if isinstance(detail, str) else ""
    return f"status {answer.status}{more}"


def trust_of(control: ControlPlane) -> ssl.SSLContext:
    """Return the context that trusts the configured certificates. Raise UnavailableError if they cannot be read."""
    try:
        return ssl.create_default_context(cafile=control.ca)
    except OSError as error:
        raise UnavailableError(f"read {control.ca}: {reason_text(error)}") from error


def reason_text(error: Exception) -> str:
    """Return why a request failed, in lower case."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case TimeoutError():
            return "it does not answer in time"
        case OSError():
            return (error.strerror or str(error) or type(error).__name__).lower()
        case HTTPException():
            return f"its answer is not valid HTTP: {type(error).__name__}"
        case _:
            return str(error)
