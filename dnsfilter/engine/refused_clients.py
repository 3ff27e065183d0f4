"""Clients of refused queries while the usage of their authority is at the level `client`. In memory only.

The worker takes them from here a few times a second. They are not in the counter file: no file holds an address.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from dnsfilter.telemetry.policy_words import BanCount

MOST_REFUSED = 512
"""Refused queries whose clients are noted between two calls of `take`. More are counted, but not noted."""


class RefusedClient(NamedTuple):
    """Queries of a packed address that bans on one service, decided by one authority on one ground, refused."""

    client: bytes
    authority: str
    service: str
    ban_authority: str
    ground: str
    queries: int


class RefusedClients:
    """The clients that one engine has noted since they were last taken.

    `left` is how many more queries may be noted, in one word that the compiled engine reads.
    """

    def __init__(self) -> None:
        self.left: memoryview[int] = memoryview(array("Q", [MOST_REFUSED]))
        self._noted: Counter[tuple[bytes, BanCount]] = Counter()

    def note(self, client: bytes, ban: BanCount) -> None:
        """Note the client of one query that this ban refused, if there is room."""
        if self.left[0]:
            self.left[0] -= 1
            self._noted[client, ban] += 1

    def take(self) -> Sequence[RefusedClient]:
        """Return what was noted since the last call, and forget it."""
        noted, self._noted = self._noted, Counter()
        self.left[0] = MOST_REFUSED
        return [
            RefusedClient(client, ban.authority, ban.service, ban.ban_authority, str(ban.ground), queries)
            for (client, ban), queries in noted.items()
        ]
