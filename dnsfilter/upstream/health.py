"""State of the upstreams: round-trip times, failures, and which to ask first. No socket and no clock.

Times are CLOCK_BOOTTIME milliseconds. A server is a number: its index in `Zones.endpoints`.
"""

import errno
from collections.abc import Sequence
from typing import Final

FAILURES_TO_BACK_OFF: Final = 3
"""Consecutive failures after which a server is asked last. One lost datagram means nothing."""
FIRST_BACK_OFF_MS: Final = 5_000
LONGEST_BACK_OFF_MS: Final = 60_000
UNANSWERED_TO_BE_QUIET: Final = 8
SHORTEST_QUIET_MS: Final = 50
UNKNOWN_QUIET_MS: Final = 100
USELESS_TO_RECOVER: Final = 8
"""Consecutive useless answers after which a useful one is a recovery: the server's own upstreams may have failed."""
PROBE_EVERY_MS: Final = 1_000
"""Probe interval of a failing server in milliseconds, while questions need it or get its remembered failures."""
SILENCE_TO_BE_GONE_MS: Final = 5_000
"""Silence of a dead server after which it is gone: longer than a client waits for the answer of a slow one."""
UNKNOWN_WAIT_MS: Final = 800
EDNS_REMEMBERED_MS: Final = 900_000
"""Time to ask a server without EDNS after it rejected EDNS, or to trust that it has EDNS after an OPT."""
CASE_REMEMBERED_MS: Final = 900_000
"""Time to ask a server in lower case after it changed the case of names, or to trust that it keeps it."""
CHANGES_TO_LOWER: Final = 3
"""Answers in another case, none in the case of their question between them, that end the variation for a server."""
SHORTEST_WAIT_MS: Final = 400
"""Minimum wait. An upstream that must ask others is slower than its cache hits suggest."""
LONGEST_WAIT_MS: Final = 1_000
EXPLORE_EVERY: Final = 20
"""Of the questions that go to the fastest server, every 20th goes to another one, to learn its speed."""
COOKIE_EXPECTED_MS: Final = 900_000
"""Time after an answer with a cookie in which answers of the server must have one."""
OWN_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of sending and connecting that do not count against the server."""


class _Server:
    """The state of one server."""

    __slots__ = (
        "back_off_ms",
        "case_changes",
        "case_until_ms",
        "cookie",
        "cookie_until_ms",
        "dead",
        "edns_until_ms",
        "failures",
        "lower_until_ms",
        "plain_until_ms",
        "probe_at_ms",
        "probing",
        "rtt_ms",
        "send_probe_at_ms",
        "silent_since_ms",
        "try_at_ms",
        "unanswered",
        "useless",
        "variation_ms",
    )

    def __init__(self) -> None:
        self.rtt_ms: float | None = None
        self.variation_ms = 0.0
        self.failures = 0
        self.back_off_ms = 0  # 0: healthy
        self.probe_at_ms = 0
        self.probing = False
        self.edns_until_ms = 0
        self.plain_until_ms = 0
        self.case_until_ms = 0
        self.case_changes = 0
        self.lower_until_ms = 0
        self.cookie = b""  # client and server cookie
        self.cookie_until_ms = 0
        self.dead = False
        self.send_probe_at_ms = 0
        self.try_at_ms = 0
        self.unanswered = 0
        self.useless = 0
        self.silent_since_ms = 0

    def is_quiet(self, now_ms: int) -> bool:
        """Return True if several questions are unanswered, and nothing came for longer than answers usually take."""
        if self.unanswered < UNANSWERED_TO_BE_QUIET:
            return False
        usual_ms = UNKNOWN_QUIET_MS if self.rtt_ms is None else self.rtt_ms + 4 * self.variation_ms
        return now_ms - self.silent_since_ms >= max(usual_ms, SHORTEST_QUIET_MS)


class Health:
    """The state of `count` servers. `order` returns which to ask; `succeeded` and `failed` record the outcome.

    A quiet server is asked last until it answers. A server that fails three times in a row is in back-off: it is asked
    last, and probed. One that also misses a probe is dead. A dead server gets no questions while another server lives.
    If all servers of a view are dead, the caller answers from stale data. If they are also gone, it asks none, except
    for one question a second.
    """

    __slots__ = ("_servers", "_turns", "_wanted", "recoveries")

    def __init__(self, count: int) -> None:
        self._servers = tuple(_Server() for _ in range(count))
        self._wanted = False
        self._turns = 0
        self.recoveries = 0
        """How often a server in back-off or with many useless answers answered a question, or a dead one a probe."""

    def order(self, servers: Sequence[int], now_ms: int, *, fastest: bool = False) -> tuple[int, ...]:
        """Return the servers for one question: healthy ones as configured, then quiet ones and those in back-off.

        With `fastest`, healthy ones are sorted by their smoothed round-trip times. Those without one come first.
        Once per back-off, a failing server that is not dead keeps its configured place, so that this question tries it.
        """
        if self.all_dead(servers):
            self._servers[servers[0]].try_at_ms = now_ms + PROBE_EVERY_MS
        first: list[int] = []
        last: list[int] = []
        for number in servers:
            server = self._servers[number]
            self._wanted |= server.back_off_ms > 0
            if not server.back_off_ms:
                (last if server.is_quiet(now_ms) else first).append(number)
            elif now_ms >= server.probe_at_ms and not server.dead:
                server.probe_at_ms = now_ms + server.back_off_ms
                server.probing = True
                first.append(number)
            else:
                last.append(number)
        return (*(self._by_speed(first) if fastest else first), *last)

    def _by_speed(self, first: list[int]) -> list[int]:
        """Return servers by speed. Every EXPLORE_EVERY-th time a slower one, each in turn, comes before the fastest."""
        self._turns += 1
        ordered = sorted(first, key=lambda number: self._servers[number].rtt_ms or 0.0)
        if len(ordered) > 1 and not self._turns % EXPLORE_EVERY:
            ordered.insert(0, ordered.pop(1 + self._turns // EXPLORE_EVERY % (len(ordered) - 1)))
        return ordered

    def may_race(self, server: int, now_ms: int) -> bool:
        """Return whether to ask a server at once with a better one: it is healthy, or `order` just tried it again."""
        known = self._servers[server]
        is_tried = known.probing and known.probe_at_ms == now_ms + known.back_off_ms
        return not known.dead and (not known.back_off_ms or is_tried)

    def sent(self, server: int, now_ms: int) -> None:
        """Record a question that was sent."""
        known = self._servers[server]
        if not known.unanswered:
            known.silent_since_ms = now_ms
        known.unanswered += 1

    def heard(self, server: int) -> None:
        """Record an answer that is useless, such as SERVFAIL."""
        self._servers[server].unanswered = 0
        self._servers[server].useless += 1

    def succeeded(self, server: int, rtt_ms: int, now_ms: int) -> None:
        """Record a useful answer after `rtt_ms`. The server is healthy from `now_ms` on."""
        known = self._servers[server]
        self.recoveries += known.back_off_ms > 0 or known.useless >= USELESS_TO_RECOVER
        known.dead = False
        known.failures = known.back_off_ms = known.unanswered = known.useless = 0
        known.probe_at_ms = now_ms
        known.probing = False
        # RFC 6298 section 2: gains 1/8 and 1/4.
        if known.rtt_ms is None:
            known.rtt_ms, known.variation_ms = float(rtt_ms), rtt_ms / 2
        else:
            known.variation_ms += (abs(known.rtt_ms - rtt_ms) - known.variation_ms) / 4
            known.rtt_ms += (rtt_ms - known.rtt_ms) / 8

    def failed(self, server: int, now_ms: int) -> None:
        """Record a timeout, an unreachable port or a useless answer. A failed probe doubles the back-off, up to 60 s.

        Questions that were in flight when back-off began also fail, but do not lengthen it.
        """
        known = self._servers[server]
        known.failures += 1
        if known.back_off_ms:
            if known.probing:
                known.back_off_ms = min(2 * known.back_off_ms, LONGEST_BACK_OFF_MS)
                known.probe_at_ms = now_ms + known.back_off_ms
                known.probing = False
        elif known.failures >= FAILURES_TO_BACK_OFF:
            known.back_off_ms = FIRST_BACK_OFF_MS
            known.probe_at_ms = now_ms + FIRST_BACK_OFF_MS
            known.send_probe_at_ms = now_ms

    def all_dead(self, servers: Sequence[int]) -> bool:
        """Return True if no server lives."""
        return bool(servers) and all(self._servers[number].dead for number in servers)

    def all_gone(self, servers: Sequence[int], now_ms: int) -> bool:
        """Return True if all servers are dead, and none has answered since a question five seconds ago."""
        return bool(servers) and all(
            known.dead and known.unanswered > 0 and now_ms - known.silent_since_ms >= SILENCE_TO_BE_GONE_MS
            for known in map(self._servers.__getitem__, servers)
        )

    def may_try(self, servers: Sequence[int], now_ms: int) -> bool:
        """Return whether a question may try these servers, all gone. One a second may: some servers answer no probe."""
        return now_ms >= self._servers[servers[0]].try_at_ms

    def want_probes(self) -> None:
        """Record a question that got a remembered failure."""
        self._wanted = True

    def next_probe_ms(self) -> int | None:
        """Return when `due` next returns servers, or None if no question waits for a recovery."""
        if not self._wanted:
            return None
        return min((server.send_probe_at_ms for server in self._servers if server.back_off_ms), default=None)

    def due(self, now_ms: int) -> list[int]:
        """Return the servers to probe now. The next probes are due in a second, if a question arrives until then."""
        if not self._wanted:
            return []
        due = [n for n, known in enumerate(self._servers) if known.back_off_ms and now_ms >= known.send_probe_at_ms]
        for number in due:
            self._servers[number].send_probe_at_ms = now_ms + PROBE_EVERY_MS
        self._wanted = not due
        return due

    def answered_probe(self, server: int, now_ms: int) -> None:
        """Record that a server lives. If it was dead, a question may try it immediately."""
        known = self._servers[server]
        if known.dead:
            self.recoveries += 1
            known.dead = False
            known.probe_at_ms = now_ms

    def missed_probe(self, server: int) -> None:
        """Record that a server is dead, unless it has answered a question since."""
        known = self._servers[server]
        known.dead = known.back_off_ms > 0

    def has_edns(self, server: int, now_ms: int) -> None:
        """Record an answer with an OPT: the server is asked with EDNS again."""
        known = self._servers[server]
        known.edns_until_ms = now_ms + EDNS_REMEMBERED_MS
        known.plain_until_ms = 0

    def lacks_edns(self, server: int, now_ms: int) -> None:
        """Record that the server rejected EDNS and answered without it.

        Ignore this if the server recently had EDNS. One forged FORMERR must not turn EDNS off for all questions.
        """
        known = self._servers[server]
        if now_ms >= known.edns_until_ms:
            known.plain_until_ms = now_ms + EDNS_REMEMBERED_MS

    def is_plain(self, server: int, now_ms: int) -> bool:
        """Return whether to ask the server without EDNS."""
        return now_ms < self._servers[server].plain_until_ms

    def keeps_case(self, server: int, now_ms: int) -> None:
        """Record an answer that repeats a name with letters in upper case: names vary for this server again."""
        known = self._servers[server]
        known.case_until_ms = now_ms + CASE_REMEMBERED_MS
        known.lower_until_ms = known.case_changes = 0

    def changes_case(self, server: int, now_ms: int) -> None:
        """Record an answer that repeats a name in another case.

        Ignore this if the server recently kept the case. One forged answer must not end the protection, not even for a
        server of which nothing is known.
        """
        known = self._servers[server]
        if now_ms < known.case_until_ms:
            return
        known.case_changes = min(known.case_changes + 1, CHANGES_TO_LOWER)
        if known.case_changes == CHANGES_TO_LOWER:
            known.lower_until_ms = now_ms + CASE_REMEMBERED_MS

    def is_lower(self, server: int, now_ms: int) -> bool:
        """Return whether to ask the server in lower case."""
        return now_ms < self._servers[server].lower_until_ms

    def has_cookie(self, server: int, cookie: bytes, now_ms: int) -> None:
        """Remember the client and server cookie of an answer. Later answers must have a cookie too."""
        known = self._servers[server]
        known.cookie, known.cookie_until_ms = cookie, now_ms + COOKIE_EXPECTED_MS

    def expects_cookie(self, server: int, now_ms: int) -> bool:
        """Return whether an answer of the server without a cookie may be forged (RFC 7873 section 5.3)."""
        return now_ms < self._servers[server].cookie_until_ms

    def cookie_for(self, server: int, client_cookie: bytes) -> bytes:
        """Return what to send with a client cookie: itself, and the server's own if that is for it."""
        known = self._servers[server]
        return known.cookie if known.cookie.startswith(client_cookie) else client_cookie

    def consecutive_failures(self, server: int) -> int | None:
        """Return the failures in a row of a server in back-off, 0 for one that answers, None if neither is known."""
        known = self._servers[server]
        if known.back_off_ms:
            return known.failures
        return None if known.rtt_ms is None else 0

    def rtt_ms(self, server: int) -> float | None:
        """Return the smoothed round-trip time, or None before the first answer."""
        return self._servers[server].rtt_ms

    def first_wait_ms(self, server: int) -> int:
        """Return the wait for the server's first answer: smoothed time plus four variations, from 400 to 1,000 ms."""
        known = self._servers[server]
        if known.rtt_ms is None:
            return UNKNOWN_WAIT_MS
        return max(SHORTEST_WAIT_MS, min(int(known.rtt_ms + 4 * known.variation_ms), LONGEST_WAIT_MS))
