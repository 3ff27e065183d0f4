"""HTTP to a control plane, with limits of time and size; failures are raised as `Unreachable`."""

import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from api.ctl.exit_codes import Unreachable, WrongInput
from dnsfilter import __version__

CONNECT_S = 5.0
FIRST_BYTE_S = 600.0
"""Read timeout in seconds for a file. The API completes a large backup before its first byte."""
TOTAL_S = 120.0
"""Time limit of a complete answer in seconds, except files."""
MAX_BYTES = 32 * 1024 * 1024
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_UNKNOWN_ISSUER = re.compile("self.signed certificate|unable to get (local )?issuer certificate")

Params = Mapping[str, str | int]


class Connection:
    """A connection to `url`, through the socket `file` if that is given.

    `ca` is a file of CA certificates to trust; None: those that the machine trusts. Raise WrongInput if it is unusable.
    """

    def __init__(self, url: str, file: str | None, ca: str | None) -> None:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"dnsfilterctl/{__version__}",
        }
        self.url = url
        # Ignore proxies from the environment: only the control plane may see the token. Do not use the CA list of
        # httpx: the control plane of an office may be signed by a CA that only this machine trusts.
        secure = _tls_context(ca) if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.Client(
            base_url=url if file is None else "http://localhost",
            headers=headers,
            transport=httpx.HTTPTransport(verify=secure, trust_env=False, uds=file),
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @property
    def has_token(self) -> bool:
        """Return True if requests carry a token."""
        return "Authorization" in self._http.headers

    def use_token(self, token: str) -> None:
        """Send this token with every later request."""
        self._http.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, where: str, params: Params, within_s: float, **content: Any) -> tuple[int, bytes]:
        """Return status and body of the answer. `content` is passed to httpx. Raise Unreachable."""
        deadline = time.monotonic() + TOTAL_S
        timeout = httpx.Timeout(within_s, connect=CONNECT_S)
        try:
            with self._http.stream(method, where, params=params, timeout=timeout, **content) as response:
                return response.status_code, self._bounded(response, deadline)
        except httpx.TimeoutException as error:
            raise self._timeout_error(method, _timeout_text(error, within_s)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.url} is not reachable: {_error_text(error)}") from error

    def pieces(self, where: str, params: Params, refused: Callable[[int, bytes], Exception]) -> Iterator[bytes]:
        """Yield a file of any size, piece by piece. Raise Unreachable, or the error of `refused` for other statuses."""
        try:
            timeout = httpx.Timeout(FIRST_BYTE_S, connect=CONNECT_S)
            headers = {"Accept": "*/*"}
            with self._http.stream("GET", where, params=params, headers=headers, timeout=timeout) as response:
                if response.status_code != 200:
                    raise refused(response.status_code, self._bounded(response, time.monotonic() + TOTAL_S))
                yield from response.iter_bytes()
        except httpx.TimeoutException as error:
            raise self._timeout_error("GET", _timeout_text(error, FIRST_BYTE_S)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self.url} is not reachable, or the connection broke: {_error_text(error)}") from error

    def _bounded(self, response: httpx.Response, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise self.unexpected_answer(f"the answer is larger than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise self._timeout_error(response.request.method, f"not finished after {TOTAL_S:.0f} s")
        return b"".join(parts)

    def unexpected_answer(self, what: str) -> Unreachable:
        """Return the error for an answer that does not come from a control plane."""
        return Unreachable(f"{self.url} is not a dnsfilter control plane: {what}. Check --api.")

    def _timeout_error(self, method: str, what: str) -> Unreachable:
        lines = [f"{self.url} did not answer in time: {what}"]
        if method != "GET":
            lines.append("The act may have been recorded. Check before you repeat it.")
        return Unreachable(*lines)


def _tls_context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        # The message of OpenSSL does not name the file.
        raise WrongInput(f"cannot use the certificates in {ca}: {error.strerror or error}") from error


def _error_text(error: Exception) -> str:
    """Return the message of an error without its error number, with the option that helps if there is one."""
    message = _ERRNO.sub("", str(error)) or type(error).__name__
    if _UNKNOWN_ISSUER.search(message):
        return f"{message}: give the file of its certificate authority with --ca"
    return message


def _timeout_text(error: httpx.TimeoutException, within_s: float) -> str:
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECT_S:g} s"
        case httpx.ReadTimeout():
            return f"no answer within {within_s:g} s"
    return type(error).__name__
