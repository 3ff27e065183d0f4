"""Ask an identity provider, with bounds on time, size and requests under way. No redirect is followed.

The first sign-in imports httpx, which takes 5 MB: few installations have a provider.
"""

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from threading import BoundedSemaphore
from time import monotonic
from typing import TYPE_CHECKING, Any

from api.console.oidc.protocol import (
    Metadata,
    authorization_url,
    check_answer,
    login_of,
    metadata_url,
    read_metadata,
    token_request,
    userinfo_headers,
    verified_claims,
    with_userinfo,
)
from api.console.oidc.sign_in_attempt import Attempt
from api.console.oidc.sign_in_failures import BEGIN_AGAIN, NO_ANSWER, NOT_VALID, SignInFailed
from api.delivery.identity_provider import IdentityProvider, read_secret
from dnsfilter import __version__
from dnsfilter.policy.model import Instant

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 5.0
ANSWERS_S = 10.0
"""Time for all answers of the provider that a request of the browser needs."""
MAX_ANSWER = 256 * 1024
"""The most bytes of an answer."""
KNOWN_S = 3600.0
"""Seconds for which the provider's metadata are kept. Its keys are fetched at each sign-in: they may change."""
MAX_AT_ONCE = 4
"""The most sign-ins that wait for the provider, so that a slow one holds few threads."""
_ERROR = re.compile(r"[a-z_]{1,40}")


class Provider:
    """The provider of the settings. Several threads may use it."""

    def __init__(self, settings: IdentityProvider) -> None:
        self.settings = settings
        self._slots = BoundedSemaphore(MAX_AT_ONCE)
        self._known: Metadata | None = None
        self._known_until_s = 0.0

    def authorization_url(self, attempt: Attempt) -> str:
        """Return where the browser goes to sign in. Raise SignInFailed."""
        with self._asking() as asked:
            return authorization_url(self.settings, self._metadata(asked), attempt)

    def login(self, attempt: Attempt, code: str, issuer: str | None, now_s: Instant) -> str:
        """Return the login that the provider vouches for, from the code and issuer that the browser brought.

        Raise SignInFailed.
        """
        with self._asking() as asked:
            metadata = self._metadata(asked)
            check_answer(self.settings, metadata, issuer)
            try:
                secret = read_secret(self.settings.secret_file)
            except ValueError as error:
                raise SignInFailed(NO_ANSWER, str(error)) from error
            request = token_request(self.settings, metadata, secret, attempt, code)
            tokens = asked.answer("POST", request.url, request.headers, request.body)
            keys = asked.answer("GET", metadata.keys)
            claims = verified_claims(self.settings, metadata, keys, tokens, attempt.nonce, now_s)
            if self.settings.claim not in claims and metadata.userinfo is not None:
                found = asked.answer("GET", metadata.userinfo, userinfo_headers(tokens))
                claims = with_userinfo(claims, found)
        return login_of(self.settings, claims)

    def _metadata(self, asked: "_Asked") -> Metadata:
        if self._known is None or monotonic() > self._known_until_s:
            found = asked.answer("GET", metadata_url(self.settings.issuer))
            self._known = read_metadata(self.settings.issuer, found)
            self._known_until_s = monotonic() + KNOWN_S
        return self._known

    @cached_property
    def _secure(self) -> ssl.SSLContext:
        # Made at the first request: loading the machine's CAs takes 20 ms.
        return ssl.create_default_context()

    @contextmanager
    def _asking(self) -> Iterator["_Asked"]:
        import httpx2

        from api.delivery.timed_transport import TimedTransport

        if not self._slots.acquire(blocking=False):
            raise SignInFailed(NO_ANSWER, f"{MAX_AT_ONCE} sign-ins wait for the provider already")
        try:
            transport = TimedTransport(self._secure, _connect, monotonic() + ANSWERS_S)
            with httpx2.Client(transport=transport, trust_env=False) as client:
                client.headers.clear()
                yield _Asked(client)
        finally:
            self._slots.release()


class _Asked:
    """The provider, asked within one request of the browser."""

    def __init__(self, client: "httpx2.Client") -> None:
        self._client = client

    def answer(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
        """Return the JSON object that a URL answers. Raise SignInFailed."""
        import httpcore2
        import httpx2

        sent = {"Accept": "application/json", "User-Agent": f"dnsfilter-api/{__version__}", **(headers or {})}
        try:
            request = self._client.build_request(method, url, headers=sent, content=body.encode() or None)
            response = self._client.send(request, stream=True, follow_redirects=False)
            try:
                content = _read(response)
            finally:
                response.close()
        except (OSError, UnicodeError, httpcore2.ProtocolError, httpx2.RemoteProtocolError, httpx2.InvalidURL) as error:
            reason = f"the provider does not answer: {type(error).__name__}"
            raise SignInFailed(NO_ANSWER, reason) from error
        return _object(response.status_code, content)


def _connect(host: str, port: int, left_s: float) -> socket.socket:
    # An administrator has chosen the provider, which is often on a private network: every address is allowed.
    return socket.create_connection((host, port), min(CONNECT_S, left_s))


def _read(response: "httpx2.Response") -> bytes:
    content = b""
    for piece in response.iter_raw():
        content += piece
        if len(content) > MAX_ANSWER:
            raise SignInFailed(NOT_VALID, f"the provider answers more than {MAX_ANSWER} bytes")
    return content


def _object(status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if status == 200 and isinstance(found, dict):
        return found
    error = found.get("error") if isinstance(found, dict) else None
    said = error if isinstance(error, str) and _ERROR.fullmatch(error) else "no JSON object"
    # The code was used already, or is too old.
    advice = BEGIN_AGAIN if said == "invalid_grant" else NO_ANSWER if status >= 500 else NOT_VALID
    raise SignInFailed(advice, f"the provider answers {status}: {said}")
