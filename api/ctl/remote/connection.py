"""HTTP to a control plane, with limits of time and size; failures are raised as `Unreachable`."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import (
    HTTP_PORT,
    HTTPS_PORT,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from select import select
from urllib.parse import quote, urlencode, urlsplit

from api.ctl.exit_codes import Unreachable, WrongInput
from dnsfilter import __version__

CONNECT_S = 5.0
FIRST_BYTE_S = 600.0
"""Read timeout in seconds for a file. The API completes a large backup before its first byte."""
TOTAL_S = 120.0
"""Time limit of a complete answer in seconds, except files."""
MAX_BYTES = 32 * 1024 * 1024
_PIECE = 1 << 16
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_UNKNOWN_ISSUER = re.compile("self.signed certificate|unable to get (local )?issuer certificate")

Params = Mapping[str, str | int]


class Connection:
    """A connection to `url`, through the socket `file` if that is given, for one thread.

    It uses no proxy and follows no redirect: only the control plane may see the token.

    `ca` is a file of CA certificates to trust; None: those that the machine trusts. Raise WrongInput if it is unusable.
    """

    def __init__(self, url: str, file: str | None, ca: str | None) -> None:
        self.url, self._file, self._ca = url, file, ca
        parts = urlsplit("http://localhost" if file is not None else url)
        self._path = parts.path
        self._http = _connection_to(parts.hostname or "", parts.port, file, ca, is_secure=parts.scheme == "https")
        self._headers = {"Accept": "application/json", "User-Agent": f"dnsfilterctl/{__version__}"}

    def another(self) -> "Connection":
        """Return another connection to the same control plane, with the same token."""
        made = Connection(self.url, self._file, self._ca)
        made._headers = dict(self._headers)
        return made

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @property
    def has_token(self) -> bool:
        """Return True if requests carry a token."""
        return "Authorization" in self._headers

    def use_token(self, token: str) -> None:
        """Send this token with every later request."""
        self._headers["Authorization"] = f"Bearer {token}"

    def ask(
        self,
        method: str,
        where: str,
        params: Params,
        within_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of the answer. Raise Unreachable."""
        deadline = time.monotonic() + TOTAL_S
        with (
            self._failures(method, within_s, "is not reachable"),
            self._answer(method, where, params, within_s, headers or {}, body) as response,
        ):
            return response.status, self._bounded(response, method, deadline)

    def pieces(self, where: str, params: Params, refused: Callable[[int, bytes], Exception]) -> Iterator[bytes]:
        """Yield a file of any size, piece by piece. Raise Unreachable, or the error of `refused` for other statuses."""
        with (
            self._failures("GET", FIRST_BYTE_S, "is not reachable, or the connection broke"),
            self._answer("GET", where, params, FIRST_BYTE_S, {"Accept": "*/*"}, None) as response,
        ):
            if response.status != 200:
                raise refused(response.status, self._bounded(response, "GET", time.monotonic() + TOTAL_S))
            yield from _pieces(response)

    @contextmanager
    def _answer(
        self,
        method: str,
        where: str,
        params: Params,
        within_s: float,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> Iterator[HTTPResponse]:
        query = urlencode(params, quote_via=quote)
        target = f"{self._path}{where}?{query}" if query else f"{self._path}{where}"
        response = self._response(method, target, within_s, headers, body)
        try:
            yield response
        finally:
            if response.length != 0 and not response.isclosed():
                # The rest of this answer would be taken for the next one.
                self._http.close()
            response.close()

    def _response(
        self,
        method: str,
        target: str,
        within_s: float,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> HTTPResponse:
        """Return the answer to a request, without its body.

        A server may close a kept connection just when a request comes. Then a read is sent again, an act never.
        """
        is_kept = self._connect()
        try:
            return self._sent(method, target, within_s, headers, body)
        except ConnectionError:
            if method != "GET" or not is_kept:
                raise
        self._http.close()
        self._connect()
        return self._sent(method, target, within_s, headers, body)

    def _sent(
        self,
        method: str,
        target: str,
        within_s: float,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> HTTPResponse:
        self._http.sock.settimeout(within_s)
        # The server may refuse a large body before its end.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._http.request(method, target, body, {**self._headers, **headers})
        return self._http.getresponse()

    def _connect(self) -> bool:
        """Connect unless a connection is kept that the server has not closed. Return whether it is kept."""
        if self._http.sock is not None and select([self._http.sock], [], [], 0)[0]:
            self._http.close()
        if self._http.sock is not None:
            return True
        try:
            self._http.connect()
        except (OSError, UnicodeError) as error:
            raise _NoConnection(error) from error
        return False

    @contextmanager
    def _failures(self, method: str, within_s: float, what: str) -> Iterator[None]:
        """Raise Unreachable for failures of the network. After a failure the next request connects again."""
        try:
            yield
        except _NoConnection as error:
            self._http.close()
            if isinstance(error.cause, TimeoutError):
                raise Unreachable(f"{self.url} did not answer in time: no connection within {CONNECT_S:g} s") from error
            raise Unreachable(f"{self.url} {what}: {_error_text(error.cause)}") from error
        except TimeoutError as error:
            self._http.close()
            raise self._timeout_error(method, f"no answer within {within_s:g} s") from error
        except (OSError, HTTPException, UnicodeError) as error:
            self._http.close()
            raise Unreachable(f"{self.url} {what}: {_error_text(error)}", *_doubts(method)) from error

    def _bounded(self, response: HTTPResponse, method: str, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in _pieces(response):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise self.unexpected_answer(f"the answer is larger than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise self._timeout_error(method, f"not finished after {TOTAL_S:.0f} s")
        return b"".join(parts)

    def unexpected_answer(self, what: str) -> Unreachable:
        """Return the error for an answer that does not come from a control plane."""
        return Unreachable(f"{self.url} is not a dnsfilter control plane: {what}. Check --api.")

    def _timeout_error(self, method: str, what: str) -> Unreachable:
        return Unreachable(f"{self.url} did not answer in time: {what}", *_doubts(method))


class _NoConnection(Exception):
    """Raised if no connection was made, so nothing was sent."""

    def __init__(self, cause: OSError | UnicodeError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _SocketConnection(HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, file: str) -> None:
        super().__init__("localhost", timeout=CONNECT_S)
        self._file = file

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT_S)
        self.sock.connect(self._file)


def _connection_to(host: str, port: int | None, file: str | None, ca: str | None, *, is_secure: bool) -> HTTPConnection:
    if file is not None:
        return _SocketConnection(file)
    # Without a port, http.client takes the last part of an IPv6 address for one.
    if is_secure:
        return HTTPSConnection(host, port or HTTPS_PORT, timeout=CONNECT_S, context=_tls_context(ca))
    return HTTPConnection(host, port or HTTP_PORT, timeout=CONNECT_S)


def _tls_context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        # The message of OpenSSL does not name the file.
        raise WrongInput(f"cannot use the certificates in {ca}: {error.strerror or error}") from error


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    while piece := response.read1(_PIECE):
        yield piece
    if response.length:
        raise IncompleteRead(b"", response.length)


def _doubts(method: str) -> Sequence[str]:
    """Return what to say about a request that was sent and not answered."""
    return () if method == "GET" else ("The act may have been recorded. Check before you repeat it.",)


def _error_text(error: Exception) -> str:
    """Return the message of an error without its error number, with the option that helps if there is one."""
    match error:
        case IncompleteRead():
            return "the answer ends early"
        case OSError():
            message = _ERRNO.sub("", str(error)) or type(error).__name__
        case UnicodeError():
            return "the host is not a valid name"
        case _:
            return f"the answer is not valid HTTP: {type(error).__name__}"
    if _UNKNOWN_ISSUER.search(message):
        return f"{message}: give the file of its certificate authority with --ca"
    return message
