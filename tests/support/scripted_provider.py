"""An identity provider on loopback that signs people in, and answers wrongly as a test says."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

CLIENT, SECRET = "dnsfilter", "a-secret/with+signs"
LASTING_S = 300


@dataclass
class ScriptedProvider:
    """A provider whose clock stands at `now_s`. What differs from a right answer is in the fields after it.

    None in `claims` and `metadata` leaves a member out. `asked` are the paths of all requests.
    """

    port: int
    now_s: int
    login: object = "desk"
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "ES256"
    signs_with: Any = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    padding: int = 0
    asked: list[str] = field(default_factory=list)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}, auto_kid=False))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    def signed_in(self, location: str) -> dict[str, str]:
        """Sign in at an authorization URL. Return what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def published(self) -> dict[str, Any]:
        own = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
        return _without_none(own | self.metadata)

    def tokens(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return the tokens of a code. None: the code, the client or the verifier is wrong."""
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        client = base64.b64encode(f"{CLIENT}:a-secret%2Fwith%2Bsigns".encode()).decode()
        if asked is None or authorization != f"Basic {client}" or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        if challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        own = {
            "iss": self.issuer,
            "sub": "1",
            "aud": CLIENT,
            "iat": self.now_s,
            "exp": self.now_s + LASTING_S,
            "nonce": asked["nonce"],
            "preferred_username": self.login,
        }
        header = {"alg": self.algorithm, "kid": "one"}
        key = self.signs_with or self.key
        token = jwt.encode(header, _without_none(own | self.claims), key, algorithms=[self.algorithm])
        return {"access_token": "opaque", "token_type": "Bearer", "id_token": token}


def other_key() -> ECKey:
    """Return a key that the provider does not publish, under the id of its own."""
    return ECKey.generate_key("P-256", {"kid": "one"}, auto_kid=False)


def shared_key() -> OctKey:
    """Return the client secret as a key for HMAC."""
    return OctKey.import_key(SECRET * 2)


class _Handler(BaseHTTPRequestHandler):
    provider: ScriptedProvider

    def do_GET(self) -> None:
        self._answer(
            {
                "/realm/.well-known/openid-configuration": self.provider.published(),
                "/realm/userinfo": self.provider.userinfo if self.headers["Authorization"] == "Bearer opaque" else None,
                "/realm/keys": {"keys": [self.provider.key.as_dict(private=False)]},
            }.get(self.path)
        )

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        self._answer(self.provider.tokens(form, self.headers["Authorization"]))

    def _answer(self, found: dict[str, Any] | None) -> None:
        self.provider.asked.append(self.path)
        content = json.dumps({"error": "invalid_grant"} if found is None else found).encode()
        self.send_response(400 if found is None else self.provider.status)
        self.send_header("Location", "/realm/elsewhere")
        self.end_headers()
        try:
            self.wfile.write(content + b" " * self.provider.padding)
        except OSError:
            # The client has hung up, as it must on an answer that is too long.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted_provider(now_s: int) -> Iterator[ScriptedProvider]:
    """Run a provider."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.provider = ScriptedProvider(server.server_port, now_s)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Handler.provider
        finally:
            server.shutdown()
            thread.join()


def query(values: dict[str, str]) -> str:
    """Return values as the query of an address."""
    return "?" + urlencode(values)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
