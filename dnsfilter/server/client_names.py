"""Who asks by which server name: a fleet's name stands for the fleet, the node's own name for the client's address.

A node may demand a certificate from devices of fleets. Without one, their client is unregistered.
"""

import secrets
from collections.abc import Callable

from dnsfilter.policy.fleets import NO_FLEET, fleet_client
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot


class ClientNames:
    """The clients of the names below the node's own name. `current` returns the snapshot in force, and the instant.

    With `demands_certificate`, a fleet's name stands for the fleet only if the client showed a certificate.
    """

    def __init__(
        self, name: str, current: Callable[[], tuple[Snapshot, Instant]], *, demands_certificate: bool = False
    ) -> None:
        self._name = name
        self._current = current
        self._demands_certificate = demands_certificate
        self._key = secrets.token_bytes(16)
        """Nobody who sees a fleet's clients can find their addresses without it, and it ends with the process."""

    def serves(self, server_name: str | None) -> bool:
        """Return whether a handshake for this name, in lower case, is accepted. None: the client gave no name."""
        return self.client_of(server_name, b"") is not None

    def client_of(self, server_name: str | None, peer: bytes, is_certified: bool = False, /) -> bytes | None:
        """Return the client for policy and limits, of a peer at this packed address. None for an unknown name.

        `is_certified`: the TLS connection showed a certificate of a device. A proxy's never did.
        Ask again for each read of a connection: a fleet's name may end.
        """
        if server_name is None or server_name == self._name:
            return peer
        token, _, above = server_name.partition(".")
        return self.client_of_token(token, peer, is_certified) if above == self._name else None

    def client_of_token(self, token: str, peer: bytes, is_certified: bool = False, /) -> bytes | None:
        """Return the client of a fleet's name without the node's, as `client_of` does."""
        snapshot, at = self._current()
        prefix = snapshot.fleet_prefix(token.encode(), at)
        if prefix is None:
            return None
        counts = is_certified or not self._demands_certificate
        return fleet_client(prefix if counts else NO_FLEET, peer, self._key)
