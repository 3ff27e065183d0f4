"""Server cookies for clients (RFC 7873, 9018): who returns one of ours has not forged its address.

All workers of a node share a secret of SECRET_BYTES. Each PERIOD_S has a key of its own, made from the secret. A cookie
is checked with the key of the period in which it was made, so that no cookie ends when a period does.
"""

from dataclasses import replace
from typing import Final, TypeVar

from dnsfilter.engine.interoperable_cookie import (
    CLIENT_COOKIE,
    RENEW_AFTER_S,
    cookie_age,
    is_hash_valid,
    make_server_cookie,
    sip_hash,
)
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.edns import cookie_option, is_cookie
from dnsfilter.wire.iana import OptionCode, Rcode
from dnsfilter.wire.query import Fault, Query

SECRET_BYTES: Final = 32
PERIOD_S: Final = 86_400
_Asked = TypeVar("_Asked", bound=Query | Fault)


class ServerCookies:
    """Checks and makes the server cookies of one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"secret of server cookies: {len(secret)} bytes, not {SECRET_BYTES}")
        self._secret = secret

    def answer(self, query: _Asked, client: bytes, transport: Transport, at: Instant) -> _Asked:
        """Return the query with the cookie for its replies, if it has one. `client` is the packed address.

        DNS over HTTPS has no cookies (RFC 8484 section 8.1: HTTP proves the address).
        """
        data = None if query.edns is None else query.edns.option(OptionCode.COOKIE)
        if query.edns is None or data is None or not is_cookie(data) or transport is Transport.DOH:
            return query
        client_cookie, sent = data[:CLIENT_COOKIE], data[CLIENT_COOKIE:]
        age = self._valid_age(client_cookie, sent, client, at)
        keeps = age is not None and age < RENEW_AFTER_S
        ours = sent if keeps else make_server_cookie(self.key_at(at), client_cookie, client, at)
        is_proven = age is not None
        edns = replace(query.edns, cookie=cookie_option(client_cookie + ours), is_proven=is_proven)
        if isinstance(query, Fault) and query.asks_cookie:
            return replace(query, edns=edns, rcode=Rcode.BADCOOKIE if sent and not is_proven else Rcode.NOERROR)
        return replace(query, edns=edns)

    def key_at(self, at: Instant) -> bytes:
        """Return the key of the period that holds an instant."""
        period = (max(at, 0) // PERIOD_S).to_bytes(8, "little")
        half = SECRET_BYTES // 2
        return sip_hash(self._secret[:half], period) + sip_hash(self._secret[half:], period)

    def _valid_age(self, client_cookie: bytes, sent: bytes, client: bytes, at: Instant) -> int | None:
        """Return the age of a valid server cookie; None if it is not valid."""
        age = cookie_age(sent, at)
        if age is None or not is_hash_valid(self.key_at(at - age), client_cookie, client, sent):
            return None
        return age


def is_proven(query: Query | Fault) -> bool:
    """Return whether the query has a valid server cookie."""
    return query.edns is not None and query.edns.is_proven
