"""One attempt to sign in, bound to a browser by a signed cookie.

The cookie has a random seed. State, nonce and verifier are keyed hashes of it, so that the server remembers nothing and
the cookie reveals nothing.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from api.auth.tokens import digest
from dnsfilter.policy.model import Instant

COOKIE = "__Host-dnsfilter-oidc"
ATTEMPT_S = 600
"""Seconds in which an attempt must end."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that ends at `until_s`."""

    key: bytes = field(repr=False)
    seed: str = field(repr=False)
    until_s: Instant

    @property
    def state(self) -> str:
        """Return what the provider's answer repeats."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Return what the ID token repeats."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Return the secret that proves that the code is used by who asked for it (RFC 7636)."""
        return self._derived("verifier")

    @property
    def cookie(self) -> str:
        """Return the value of the cookie."""
        return f"{self.seed}.{self.until_s}.{self._derived('cookie')}"

    def _derived(self, purpose: str) -> str:
        return digest(self.key, f"oidc {purpose} {self.seed} {self.until_s}")


def new_attempt(key: bytes, now_s: Instant) -> Attempt:
    """Return a new attempt."""
    return Attempt(key, secrets.token_urlsafe(32), now_s + ATTEMPT_S)


def attempt_of(key: bytes, cookie: str, state: str, now_s: Instant) -> Attempt | None:
    """Return the attempt of a cookie, or None if it is forged or has ended, or if the state is another one's."""
    seed, _, rest = cookie.partition(".")
    end, _, _ = rest.partition(".")
    if not (end.isascii() and end.isdigit() and len(end) < 15):
        return None
    found = Attempt(key, seed, int(end))
    is_own = hmac.compare_digest(found.cookie.encode(), cookie.encode())
    has_state = hmac.compare_digest(found.state.encode(), state.encode())
    return found if is_own and has_state and now_s < found.until_s else None
