"""Who asks by which server name: a fleet's name stands for the fleet, the node's own name for the client's address."""

import secrets
from collections.abc import Callable

from dnsfilter.policy.fleets import fleet_client
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot


class ClientNames:
    """The clients of the names below the node's own name. `current` returns the snapshot in force, and the instant."""

    def __init__(self, name: str, current: Callable[[], tuple[Snapshot, Instant]]) -> None:
        self._name = name
        self._current = current
        self._key = secrets.token_bytes(16)
        """Nobody who sees a fleet's clients can find their addresses without it, and it ends with the process."""

    def serves(self, server_name: str | None) -> bool:
        """Return whether a handshake for this name, in lower case, is accepted. None: the client gave no name."""
        return self.client_of(server_name, b"") is not None

    def client_of(self, server_name: str | None, peer: bytes) -> bytes | None:
        """Return the client for policy and limits, of a peer at this packed address. None for an unknown name.

        Ask again for each read of a connection: a fleet's name may end.
        """
        if server_name is None or server_name == self._name:
            return peer
        token, _, above = server_name.partition(".")
        return self.client_of_token(token, peer) if above == self._name else None

    def client_of_token(self, token: str, peer: bytes) -> bytes | None:
        """Return the client of a fleet's name without the node's, as `client_of` does."""
        snapshot, at = self._current()
        prefix = snapshot.fleet_prefix(token.encode(), at)
        return None if prefix is None else fleet_client(prefix, peer, self._key)
