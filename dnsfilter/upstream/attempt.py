"""One question to the upstreams: which server to ask, how long to wait, when to give up. No socket and no clock.

The caller does what a step says and reports what happened. Times are CLOCK_BOOTTIME milliseconds. Ignore datagrams that
are malformed, or that do not match id, question and address: the wait continues (RFC 5452 section 9.1).

    start ─> Send ─ on_timeout ─> Send | Wait | Exhausted
                  ─ on_error   ─> Send | Wait | Exhausted      port unreachable, or a stream that failed
                  ─ on_answer  ─> Accept | AskByStream | Send | Wait | Exhausted
                  ─ on_bad_cookie ─> Send | None, which is for `on_doubt`
                  ─ on_doubt   ─> AskByStream

Where a step is Send, it is AskByStream for a server that is asked by stream only.
After `start`, the caller may send the same question to the `rival`, and call `race`.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from dnsfilter.wire.iana import Rcode

MAX_SENDS: Final = 4
"""Maximum number of datagrams for one question, to all servers."""
MAX_SENDS_TO_ONE: Final = 3
"""Maximum number of datagrams for one question to one server (RFC 9520 section 3.1)."""
TOTAL_MS: Final = 4_900
"""Time limit from start. A stub resolver asks again, or elsewhere, after 5 s (resolv.conf(5), `timeout`)."""
HURRIED_MS: Final = 1_500
"""Time limit when there are many questions. It allows at least two sends: no first wait exceeds a second."""
SHORTEST_FIRST_WAIT_MS: Final = 50
LONGEST_FIRST_WAIT_MS: Final = 1_000

FAIL_OVER_RCODES: Final[frozenset[int]] = frozenset(
    {
        Rcode.FORMERR,
        Rcode.SERVFAIL,
        Rcode.NOTIMP,
        Rcode.REFUSED,
        Rcode.NOTAUTH,
        *range(Rcode.BADVERS, Rcode.BADCOOKIE + 1),
    }
)
"""Rcodes about the server, or the hop to it (RFC 6891, RFC 7873, RFC 8945), not the name: ask another server."""
NO_EDNS_RCODES: Final[frozenset[int]] = frozenset({Rcode.FORMERR, Rcode.NOTIMP})
"""Rcodes of a server without EDNS. If the answer has no OPT, ask once without (RFC 6891 sections 6.2.2 and 7)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The servers to ask, in order, and the wait after each send. There are as many sends as waits."""

    servers: tuple[int, ...]
    waits_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send the question to `server` under a fresh id. Call `on_timeout` if no answer comes until `wait_until_ms`."""

    server: int
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing more, but accept answers to earlier sends. Call `on_timeout` if none comes until `wait_until_ms`."""

    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Use this answer."""


@dataclass(frozen=True, slots=True)
class AskByStream:
    """Ask `server` by stream until `wait_until_ms`, then call `on_answer` or `on_error`.

    Its answer was truncated or may be forged, or it is asked by stream only.
    """

    server: int
    wait_until_ms: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No server gave a usable answer. `last` is the rcode of the first answer with a failure, if any."""

    last: int | None = None


Step: TypeAlias = Send | Wait | Accept | AskByStream | Exhausted


def plan(servers: Sequence[int], first_wait_ms: int) -> Plan:
    """Plan up to four sends, each with a longer wait than the one before (800, 1,200, 1,600, 2,000 ms).

    Raise ValueError if there is no server.
    """
    if not servers:
        raise ValueError("plan an attempt: no servers")
    first = max(SHORTEST_FIRST_WAIT_MS, min(first_wait_ms, LONGEST_FIRST_WAIT_MS))
    return Plan(tuple(servers), tuple(first + first * extra // 2 for extra in range(MAX_SENDS)))


class Attempt:
    """The progress of one question. Call `start` once, then report each event and do what the returned step says.

    Servers take turns. A server that failed or could not be reached is not asked again, except once without EDNS. The
    servers in `plain` are asked without EDNS from the start, those in `encrypted` by stream only. After the last send,
    a slow server may answer until the deadline.
    """

    __slots__ = (
        "_asked",
        "_bad_cookie",
        "_by_stream",
        "_doubts",
        "_encrypted",
        "_for_doubt",
        "_plain",
        "_plan",
        "_rejected_edns",
        "_rival",
        "_sends",
        "_server",
        "_struck_out",
        "_turn",
        "_unanswered",
        "_wait_until_ms",
        "deadline_ms",
        "first_failure",
        "only_waits",
        "racers",
    )

    def __init__(
        self,
        servers: Sequence[int],
        first_wait_ms: int,
        plain: Collection[int] = (),
        encrypted: Collection[int] = (),
        rival: int | None = None,
    ) -> None:
        self._plan = plan(servers, first_wait_ms)
        self._encrypted = encrypted
        self._plain = frozenset(plain)
        self._rival = rival
        self._rejected_edns: set[int] = set()
        self._sends = 0
        self._asked: Counter[int] = Counter()
        self._unanswered: set[int] = set()
        self._turn = 0
        self._by_stream = self._for_doubt = False
        self._doubts: set[tuple[int, str]] = set()
        self._bad_cookie: set[int] = set()
        self._server = self._plan.servers[0]
        self._struck_out: set[int] = set()
        self._wait_until_ms = 0
        self.deadline_ms = 0
        """The time limit for the question. It limits every wait, for datagrams and streams."""
        self.first_failure: int | None = None
        """Rcode of the first failing answer. The caller keeps its message, to deliver it if all attempts fail."""
        self.only_waits = False
        """Whether the last step was `Wait`."""
        self.racers: frozenset[int] = frozenset()
        """The two servers that were asked at once, while neither has failed nor was another one asked."""

    @property
    def servers(self) -> tuple[int, ...]:
        """All servers of this attempt, in the order to ask them."""
        return self._plan.servers

    @property
    def remaining(self) -> tuple[int, ...]:
        """The servers that have not failed, and may answer yet."""
        return tuple(server for server in self._plan.servers if server not in self._struck_out)

    @property
    def rival(self) -> int | None:
        """The server to ask at once with the first one, now that this was sent to. None if there is none."""
        raced = self._sends == 1 and self._server == self._plan.servers[0] and not self._by_stream
        return self._rival if raced and self._rival not in self._encrypted else None

    def hurry(self, deadline_ms: int) -> None:
        """Set the time limit to `deadline_ms` if that is earlier, to make room for other questions."""
        self.deadline_ms = min(self.deadline_ms, deadline_ms)

    def is_plain(self, server: int) -> bool:
        """Return whether the next question to `server` goes without EDNS."""
        return server in self._plain or server in self._rejected_edns

    def is_doubted(self, server: int, reason: str) -> bool:
        """Return whether an answer of `server` might be forged for this reason: it is then asked without that proof."""
        return (server, reason) in self._doubts

    def rejected_edns(self, server: int) -> bool:
        """Return whether `server` answered this question with a failure that made us omit EDNS."""
        return server in self._rejected_edns

    def start(self, now_ms: int, deadline_ms: int | None = None) -> Send | AskByStream:
        """Return the first send. A later leg of a CNAME chain keeps the deadline of the first."""
        if self._sends:
            raise ValueError("start an attempt: already started")
        self._wait_until_ms = now_ms
        self.deadline_ms = now_ms + TOTAL_MS if deadline_ms is None else deadline_ms
        return self._send(self._plan.servers[0], now_ms)

    def race(self) -> None:
        """Record that the question was also sent to the rival. Both have the same wait."""
        if self.rival is None:
            raise ValueError("race: the attempt has no rival")
        rival = self.rival
        self._turn = self._plan.servers.index(rival)
        self._sends += 1
        self._asked[rival] += 1
        self._unanswered.add(rival)
        self.racers = frozenset((self._server, rival))

    def lose(self, server: int) -> int:
        """Strike one of the racers, which failed. Return the other one: it now counts as the server asked last."""
        (self._server,) = self.racers - {server}
        self.racers = frozenset()
        self._struck_out.add(server)
        return self._server

    def on_timeout(self, now_ms: int) -> Send | AskByStream | Wait | Exhausted:
        """Handle silence until `wait_until_ms`: ask the next server, or the same one if there is no other."""
        self._wait_until_ms = max(self._wait_until_ms, now_ms)
        return self._next(now_ms)

    def on_error(self, now_ms: int = 0) -> Send | AskByStream | Wait | Exhausted:
        """Handle an unreachable server (ICMP unreachable, broken stream): ask one of the remaining servers now.

        The next wait starts at `now_ms`, or at the end of the planned wait if that is later. After the stream that
        `on_doubt` begins, its server remains: over UDP it responds.
        """
        self._wait_until_ms = max(self._wait_until_ms, now_ms)
        if not self._for_doubt:
            self._struck_out.add(self._server)
        return self._next(now_ms)

    def on_bad_cookie(self, server: int, now_ms: int) -> Send | None:
        """Handle BADCOOKIE: ask once more with the cookie that came with it. None if that cannot be."""
        if server in self._bad_cookie or not self._may_send(now_ms) or not self._may_ask(server):
            return None
        self._wait_until_ms = max(self._wait_until_ms, now_ms)
        self._bad_cookie.add(server)
        return self._send_datagram(server, now_ms)

    def on_doubt(self, server: int, reason: str, now_ms: int) -> AskByStream:
        """Handle an answer that may be forged, by its case or cookie: ask by stream, whose answer nobody can forge."""
        self._wait_until_ms = max(self._wait_until_ms, now_ms)
        self._doubts.add((server, reason))
        return self._ask_by_stream(server, now_ms, for_doubt=True)

    def on_answer(
        self, rcode: int, truncated: bool, now_ms: int = 0, server: int | None = None, has_opt: bool = True
    ) -> Step:
        """Judge a matching answer by its rcode and TC bit. `server` sent it; by default, the server asked last.

        Remember a failure, and ask another server if a server and a send are left. A truncated answer uses up one send
        for its stream, and gets the stream even if no send is left, because the server responds. `now_ms` as in
        `on_error`.
        """
        self._wait_until_ms = max(self._wait_until_ms, now_ms)
        if server is not None:
            self._server = server
        if self.lacks_edns(self._server, rcode, has_opt) and self._may_send(now_ms) and self._may_ask(self._server):
            self._rejected_edns.add(self._server)
            return self._send(self._server, now_ms)
        if rcode in FAIL_OVER_RCODES:
            if self.first_failure is None:
                self.first_failure = rcode
            self._struck_out.add(self._server)
            return self._next(now_ms)
        if truncated:
            if self._by_stream:
                return self.on_error(now_ms)  # TC on a stream is invalid, and asking again would loop.
            return self._ask_by_stream(self._server, now_ms)
        return Accept()

    def lacks_edns(self, server: int, rcode: int, has_opt: bool) -> bool:
        """Return whether an answer of `server` shows that it has no EDNS, and may be asked without."""
        return not has_opt and rcode in NO_EDNS_RCODES and not self.is_plain(server)

    def strike(self, rcode: int, server: int) -> None:
        """Record a late failure of a server that we stopped waiting for. It is not asked again; the wait continues."""
        if self.first_failure is None:
            self.first_failure = rcode
        self._struck_out.add(server)

    def _ask_by_stream(self, server: int, now_ms: int, for_doubt: bool = False) -> AskByStream:
        self._by_stream, self._for_doubt, self.only_waits, self.racers = True, for_doubt, False, frozenset()
        self._unanswered.clear()  # the caller ignores answers to earlier sends
        self._server = server
        self._sends += 1
        return AskByStream(server, self._stream_until_ms(now_ms))

    def _stream_until_ms(self, now_ms: int) -> int:
        """Return the deadline, or half the time to it if a server can still be asked afterwards."""
        others = set(self._plan.servers) - self._struck_out - (set() if self._for_doubt else {self._server})
        if others and self._sends < len(self._plan.waits_ms):
            return (now_ms + self.deadline_ms) // 2
        return self.deadline_ms

    def _next(self, now_ms: int) -> Send | AskByStream | Wait | Exhausted:
        servers, self.racers = self._plan.servers, frozenset()
        for step in range(1, len(servers) + 1 if self._may_send(now_ms) else 0):
            turn = (self._turn + step) % len(servers)
            if self._may_ask(servers[turn]):
                self._turn = turn
                return self._send(servers[turn], now_ms)
        self.only_waits = now_ms < self.deadline_ms and bool(self._unanswered - self._struck_out)
        return Wait(self.deadline_ms) if self.only_waits else Exhausted(self.first_failure)

    def _may_send(self, now_ms: int) -> bool:
        return self._sends < len(self._plan.waits_ms) and now_ms < self.deadline_ms

    def _may_ask(self, server: int) -> bool:
        return server not in self._struck_out and self._asked[server] < MAX_SENDS_TO_ONE

    def _send(self, server: int, now_ms: int) -> Send | AskByStream:
        if server in self._encrypted:
            return self._ask_by_stream(server, now_ms)
        return self._send_datagram(server, now_ms)

    def _send_datagram(self, server: int, now_ms: int) -> Send:
        # Counted from the end of the previous wait, so that a server asked early after a failure gets more time.
        self._wait_until_ms = min(self._wait_until_ms + self._plan.waits_ms[self._sends], self.deadline_ms)
        self._sends += 1
        self._asked[server] += 1
        self._unanswered.add(server)
        self._by_stream = self._for_doubt = self.only_waits = False
        self._server, self.racers = server, frozenset()
        return Send(server, self._wait_until_ms)
