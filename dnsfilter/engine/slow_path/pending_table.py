"""The slow path's interface to its engine: the table of pending questions, and the health of servers.

The reference engine uses `OwnTable` and `upstream.health.Health`; the compiled engine has both in C.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.slow_path.exchange import Exchange, Waiter
from dnsfilter.wire.query import Question

OVERTAKEN: Final = -3
"""Stands for a query whose question another server has answered, where a number of an exchange is expected."""
PROBE: Final = -1
"""Stands for a probe where a number of an exchange is expected."""
LATE: Final = -2
"""Stands for a query that was sent but no longer waits, where a number of an exchange is expected."""


class Table(Protocol):
    """All pending questions: their waiting queries, sends and deadlines."""

    def __len__(self) -> int:
        """Return the number of pending questions."""

    def get(self, number: int) -> Exchange | None:
        """Return the pending exchange of this number; None if there is none."""

    def find(self, key: CacheKey) -> Exchange | None:
        """Return the pending exchange of this key; None if there is none."""

    def open(
        self, key: CacheKey, question: Question, client: bytes, now_ns: int, waiter: Waiter | None = None
    ) -> Exchange:
        """Begin an exchange; the caller sets its attempt. Without room, raise OverflowError and change nothing.

        Without a waiter no query waits, but there must be room for one of the client.
        """

    def join(self, exchange: Exchange, waiter: Waiter) -> None:
        """Add one more waiting query. Without room, raise OverflowError and change nothing."""

    def find_evictable(self, key: CacheKey, client: bytes, now_ms: int) -> Exchange | None:
        """Return the exchange to end before one of `key` can begin; None if none must end, or none may be ended."""

    def is_crowded(self) -> bool:
        """Return whether waits must be short because little room is left."""

    def dismiss(self, exchange: Exchange) -> list[Waiter]:
        """Remove and return the waiters of the exchange, which frees their room."""

    def finish(self, exchange: Exchange) -> list[Waiter]:
        """Forget the exchange and return its waiters. A later answer is ignored."""

    def schedule(self, exchange: Exchange) -> None:
        """Note that the exchange's `deadline_ms` has changed."""

    def due(self, now_ms: int) -> Exchange | None:
        """Return the exchange with the earliest deadline that has passed; None if there is none."""

    def send(
        self,
        exchange: Exchange,
        server: int,
        message: bytes,
        now_ms: int,
        vary: bool = False,
        has_cookie: bool = False,
    ) -> None:
        """Send a query from a random socket under a random id. Raise OSError if it cannot be sent.

        With `vary`, the letters of the question's name get a random case. Answers then come with these letters. With
        `has_cookie`, the OPT, which is empty, gets a cookie. Answers then come with the client cookie.
        """

    def withdraw(self, exchange: Exchange) -> None:
        """Stop waiting for answers to the exchange's sends."""

    def withdraw_from(self, exchange: Exchange, server: int) -> None:
        """Stop waiting for answers of `server` to the exchange's sends."""

    def overtake(self, exchange: Exchange, server: int, sent_ns: int) -> None:
        """Stop waiting for answers of servers other than `server`. They only show those servers' health and times."""

    def send_probe(self, server: int, message: bytes, until_ms: int, now_ms: int) -> None:
        """Send a probe as `send` does. It is overdue from `until_ms` on."""

    def end_probe(self, server: int) -> None:
        """Stop waiting for an answer to the server's probe."""

    def is_probed(self, server: int) -> bool:
        """Return whether the server has an outstanding probe."""

    def overdue_probes(self, now_ms: int) -> list[int]:
        """Return the servers that did not answer a probe in time."""

    def sweep(self, now_ms: int) -> None:
        """Retire worn sockets, once a second."""

    def next_alarm_ms(self) -> int | None:
        """Return when work is due without a datagram; None if there is none."""


class HealthBook(Protocol):
    """The interface of `upstream.health.Health`, which its twin has too."""

    def order(self, servers: Sequence[int], now_ms: int, *, fastest: bool = False) -> tuple[int, ...]: ...
    def may_race(self, server: int, now_ms: int) -> bool: ...
    def sent(self, server: int, now_ms: int) -> None: ...
    def heard(self, server: int) -> None: ...
    def succeeded(self, server: int, rtt_ms: int, now_ms: int) -> None: ...
    def failed(self, server: int, now_ms: int) -> None: ...
    def has_edns(self, server: int, now_ms: int) -> None: ...
    def lacks_edns(self, server: int, now_ms: int) -> None: ...
    def is_plain(self, server: int, now_ms: int) -> bool: ...
    def keeps_case(self, server: int, now_ms: int) -> None: ...
    def changes_case(self, server: int, now_ms: int) -> None: ...
    def has_cookie(self, server: int, cookie: bytes, now_ms: int) -> None: ...
    def expects_cookie(self, server: int, now_ms: int) -> bool: ...
    def cookie_for(self, server: int, client_cookie: bytes) -> bytes: ...
    def is_lower(self, server: int, now_ms: int) -> bool: ...
    def first_wait_ms(self, server: int) -> int: ...
    def consecutive_failures(self, server: int) -> int | None: ...
    @property
    def recoveries(self) -> int: ...
    def all_dead(self, servers: Sequence[int]) -> bool: ...
    def all_gone(self, servers: Sequence[int], now_ms: int) -> bool: ...
    def may_try(self, servers: Sequence[int], now_ms: int) -> bool: ...
    def want_probes(self) -> None: ...
    def next_probe_ms(self) -> int | None: ...
    def due(self, now_ms: int) -> list[int]: ...
    def answered_probe(self, server: int, now_ms: int) -> None: ...
    def missed_probe(self, server: int) -> None: ...
