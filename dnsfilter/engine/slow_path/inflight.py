"""Questions to upstreams: send, wait, retry, and match the answers.

An exchange is one question to the servers of one view. Equal questions join it. This module only matches answers; the
engine interprets them. A `Table` holds the exchanges.
"""

from collections.abc import Iterator, Sequence

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.interoperable_cookie import CLIENT_COOKIE
from dnsfilter.engine.slow_path.arrivals import failed_as, failure_of, parse_checked, parsed, read_partly, same_question
from dnsfilter.engine.slow_path.exchange import Exchange, Gone, Got, Late, Result, ToStream, Waiter
from dnsfilter.engine.slow_path.pending_table import LATE, PROBE, HealthBook, Table
from dnsfilter.engine.slow_path.probes import Probes
from dnsfilter.engine.slow_path.sent_questions import Questions
from dnsfilter.engine.slow_path.server_outcomes import Outcomes
from dnsfilter.engine.slow_path.upstream_cookies import returned_cookie
from dnsfilter.engine.slow_path.varied_case import fold_answer, repeats, repeats_in_other_case, vary
from dnsfilter.errors import MalformedData, MalformedMessage
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import UpstreamSlots
from dnsfilter.upstream.attempt import (
    HURRIED_MS,
    TOTAL_MS,
    Accept,
    AskByStream,
    Attempt,
    Exhausted,
    Send,
    Step,
    Wait,
)
from dnsfilter.upstream.health import OWN_SHORTAGES
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.edns import OUR_PAYLOAD
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import FLAG_QR, HEADER, Question, read_question

EXPIRED = 16
"""Deadlines handled before sockets are read again: thousands may pass at once."""
LONGEST_CHAIN_MS = TOTAL_MS
"""Milliseconds for a question with all legs of its CNAME chain; clients give up after that."""
MOST_SENDS = 16
"""Datagrams for one question with all legs of its chain. No new leg begins after that."""


class Inflight:
    """The exchanges of one table. `want_ad` asks servers for the AD bit. A first wait is at most `longest_wait_ms`."""

    def __init__(
        self,
        table: Table,
        health: HealthBook,
        zones: Zones,
        counters: Sequence[UpstreamSlots],
        slots: "memoryview[int]",
        want_ad: bool,
        longest_wait_ms: int,
    ) -> None:
        self.health = health
        self._table = table
        self._probes = Probes(table, zones, health, counters, slots)
        self._zones = zones
        self._outcomes = Outcomes(zones, health, counters, slots)
        self._questions = Questions(zones, health, want_ad)
        self._longest_wait_ms = longest_wait_ms

    def next_alarm_ms(self) -> int | None:
        """Return when `expire` next has work; None while nothing is pending and no socket is open."""
        alarms = (self._table.next_alarm_ms(), self.health.next_probe_ms())
        return min((alarm_ms for alarm_ms in alarms if alarm_ms is not None), default=None)

    def join(
        self,
        key: CacheKey,
        question: Question,
        servers: Sequence[int],
        waiter: Waiter,
        now_ns: int,
        known: Answer | None = None,
    ) -> list[Result]:
        """Add `waiter` to the exchange of `key`; start it if there is none. Raise OverflowError if there is no room.

        The first answer is `known`, or comes from one of the servers.
        """
        exchange = self._table.find(key)
        if exchange is not None:
            self._table.join(exchange, waiter)
            return [Late(exchange)] if exchange.late else []
        return self._begin(self._table.open(key, question, waiter.client, now_ns, waiter), servers, now_ns, known)

    def ask_again(
        self,
        key: CacheKey,
        question: Question,
        servers: Sequence[int],
        client: bytes,
        now_ns: int,
        known: Answer | None = None,
    ) -> list[Result] | None:
        """Start an exchange for which no query waits. Return None if that of `key` is pending or there is no room."""
        if self._table.find(key) is not None:
            return None
        try:
            exchange = self._table.open(key, question, client, now_ns)
        except OverflowError:
            return None
        return self._begin(exchange, servers, now_ns, known)

    def make_room(self, key: CacheKey, client: bytes, now_ns: int) -> list[Result]:
        """End an exchange to make room for a new one of `key`, before `join`. Do nothing while there is room.

        The ended exchange does not count as a failure.
        """
        exchange = self._table.find_evictable(key, client, now_ns // 1_000_000)
        if exchange is None:
            return []
        self._table.withdraw(exchange)
        exchange.reason = None
        return [Gone(exchange)]

    def follow(self, exchange: Exchange, question: Question, servers: Sequence[int], now_ns: int) -> list[Result]:
        """Ask the next question of the exchange's CNAME chain. All legs share one deadline."""
        now_ms, deadline_ms = now_ns // 1_000_000, exchange.started_ms + LONGEST_CHAIN_MS
        if now_ms >= deadline_ms or exchange.sent >= MOST_SENDS:
            self._table.withdraw(exchange)
            return [Gone(exchange)]
        exchange.question = question
        exchange.asked_ns.clear()
        exchange.attempt = self._attempt(exchange.question, servers, now_ns)
        return self._start(exchange, now_ns, deadline_ms)

    def finish(self, exchange: Exchange) -> list[Waiter]:
        """Forget the exchange and return its waiters. A later answer is late."""
        return self._table.finish(exchange)

    def dismiss(self, exchange: Exchange) -> list[Waiter]:
        """Remove and return the waiters of the exchange, which frees their room."""
        return self._table.dismiss(exchange)

    def arrived(
        self, server: int, number: int, message: bytes | None, letters: int | None, cookie: bytes | None, now_ns: int
    ) -> list[Result]:
        """Handle a datagram from `server`, matched by socket, id and question (RFC 5452 section 9.1).

        `number` is the exchange with that id, PROBE or LATE; another number counts a mismatch. A `message` of None is
        an ICMP error. `letters` are those of the query, if their case varied: only an answer that repeats them counts.
        So it is with `cookie`, its client cookie if it had one.
        """
        exchange = self._table.get(number)
        if message is None:
            if number == PROBE:
                self._probes.failed(server, Failure.UNREACHABLE)
            return [] if exchange is None else self.unreachable(exchange, server, now_ns)
        if number == PROBE and len(message) >= HEADER.size and message[2] & FLAG_QR >> 8:
            self._probes.answered(server, now_ns // 1_000_000)
            return []
        if exchange is None or len(message) < 2:
            self._outcomes.count(server, Failure.LATE if number == LATE else Failure.MISMATCH)
            return []
        if letters is not None:
            name = vary(exchange.question.name, letters)
            if repeats(message, name):
                if name != exchange.question.name:
                    self.health.keeps_case(server, now_ns // 1_000_000)
                message = fold_answer(message, len(name))
            elif repeats_in_other_case(message, exchange.question):
                return self._handle_other_case(exchange, server, message, cookie, now_ns)
        return self._handle_datagram(exchange, server, message, cookie, now_ns)

    def expire(self, now_ns: int) -> Iterator[Result]:
        """Retry or end due exchanges, at most `EXPIRED`. Send probes, and retire worn sockets."""
        now_ms = now_ns // 1_000_000
        for _ in range(EXPIRED):
            exchange = self._table.due(now_ms)
            if exchange is None:
                break
            if exchange.deadline_ms == exchange.late_at_ms:
                exchange.late = True
                self._table.schedule(exchange)
                yield Late(exchange)
            else:
                yield from self._timed_out(exchange, now_ns)
        yield from self._probes.expire(now_ms)
        self._table.sweep(now_ms)

    def _timed_out(self, exchange: Exchange, now_ns: int) -> list[Result]:
        now_ms = now_ns // 1_000_000
        if exchange.reason is Failure.TIMEOUT and not exchange.attempt.only_waits:  # others are counted already
            for server in exchange.attempt.racers or (exchange.server,):
                self._outcomes.failed(server, Failure.TIMEOUT, now_ms)
        if self._table.is_crowded():
            exchange.attempt.hurry(exchange.started_ms + HURRIED_MS)
        gone = self.health.all_gone(exchange.attempt.remaining, now_ms)
        return self._carry_out(exchange, Exhausted() if gone else exchange.attempt.on_timeout(now_ms), now_ns)

    def handle_stream_answer(
        self, exchange: Exchange, message: bytes | None, now_ns: int, failure: Failure | None
    ) -> list[Result]:
        """Handle the answer of the stream that a `ToStream` requested. Without one, `failure` as in `complete`."""
        now_ms = now_ns // 1_000_000
        if message is None and failure is None:
            exchange.reason = None
            return self._carry_out(exchange, exchange.attempt.on_error(now_ms), now_ns)
        try:
            answer = None if message is None else parse_checked(self._questions.answered(exchange, message))
        except MalformedMessage:
            answer = None
        if answer is None or answer.tc or not same_question(answer.question, exchange.question):
            exchange.reason = Failure.MALFORMED if message is not None or failure is None else failure
            exchange.asked_ns.pop(exchange.server, None)
            self._outcomes.failed(exchange.server, exchange.reason, now_ms)
            return self._carry_out(exchange, exchange.attempt.on_error(now_ms), now_ns)
        return self._carry_out(
            exchange, self._judge(exchange, exchange.server, answer.rcode, False, now_ns, answer), now_ns, answer
        )

    def probed_by_stream(self, server: int, message: bytes | None, now_ns: int, failure: Failure | None) -> None:
        """Handle the answer of the stream that a `ToProbe` requested. Without one, `failure` as in `complete`."""
        if message is not None:
            self._probes.answered(server, now_ns // 1_000_000)
        else:
            self._probes.failed(server, failure)

    def _begin(self, exchange: Exchange, servers: Sequence[int], now_ns: int, known: Answer | None) -> list[Result]:
        exchange.attempt = self._attempt(exchange.question, servers, now_ns)
        if known is not None:
            return [Got(exchange, known)]
        return self._start(exchange, now_ns)

    def _start(self, exchange: Exchange, now_ns: int, deadline_ms: int | None = None) -> list[Result]:
        """Ask the first server and, in a race, the second one at once. Ask one only if the other cannot be sent to."""
        results = self._carry_out(exchange, exchange.attempt.start(now_ns // 1_000_000, deadline_ms), now_ns)
        rival = exchange.attempt.rival
        if rival is not None and self._post(exchange, rival, now_ns) is None:
            exchange.attempt.race()
        return results

    def _attempt(self, question: Question, servers: Sequence[int], now_ns: int) -> Attempt:
        view, now_ms = self._zones.route(question.name, question.qtype), now_ns // 1_000_000
        ordered = self.health.order(servers, now_ms, fastest=view.fastest)
        rival = ordered[1] if view.races and len(ordered) > 1 and self.health.may_race(ordered[1], now_ms) else None
        wait_ms = min(self.health.first_wait_ms(ordered[0]), self._longest_wait_ms)
        plain = {server for server in ordered if self.health.is_plain(server, now_ms)}
        return Attempt(ordered, wait_ms, plain, self._zones.encrypted, rival)

    def _carry_out(self, exchange: Exchange, step: Step, now_ns: int, answer: Answer | None = None) -> list[Result]:
        exchange.wait_until_ms = None
        while isinstance(step, Send):
            if self._send(exchange, step, now_ns):
                exchange.wait_until_ms = step.wait_until_ms
                self._table.schedule(exchange)
                return []
            step = exchange.attempt.on_error(now_ns // 1_000_000)
        if isinstance(step, Wait):
            exchange.wait_until_ms = step.wait_until_ms
            self._table.schedule(exchange)
            return []
        self._table.withdraw(exchange)
        self._table.schedule(exchange)
        match step:
            case Accept() if answer is not None:
                return [Got(exchange, self._outcomes.note_edns(exchange, answer, now_ns // 1_000_000))]
            case AskByStream(server, wait_until_ms):
                exchange.server, exchange.asked_ns[server] = server, now_ns
                if server in self._zones.encrypted:  # else its truncated answer was counted
                    exchange.sent += 1
                    self.health.sent(server, now_ns // 1_000_000)
                self._outcomes.asked(server)
                return [ToStream(exchange, server, self._questions.message(exchange, server), wait_until_ms)]
            case Accept() | Exhausted():
                return [Gone(exchange)]

    def _send(self, exchange: Exchange, step: Send, now_ns: int) -> bool:
        server = step.server
        error = self._post(exchange, server, now_ns)
        if error is not None:
            self._outcomes.count(server, Failure.UNREACHABLE)
            exchange.reason = None if error.errno in OWN_SHORTAGES else Failure.UNREACHABLE
            if exchange.reason is not None:
                self.health.failed(server, now_ns // 1_000_000)
            return False
        exchange.reason = Failure.TIMEOUT
        exchange.server = server
        return True

    def _post(self, exchange: Exchange, server: int, now_ns: int) -> OSError | None:
        """Send the question, and count it. Return why it could not be sent."""
        now_ms = now_ns // 1_000_000
        try:
            message, marks = self._questions.message(exchange, server), self._questions.marks(exchange, server, now_ms)
            self._table.send(exchange, server, message, now_ms, *marks)
        except OSError as error:
            return error
        self.health.sent(server, now_ms)
        exchange.asked_ns.setdefault(server, now_ns)
        exchange.sent += 1
        self._outcomes.asked(server)
        return None

    def _handle_datagram(
        self, exchange: Exchange, server: int, message: bytes, cookie: bytes | None, now_ns: int
    ) -> list[Result]:
        """Handle a datagram from `server` under an outstanding id. Check that it answers the question."""
        answer: Answer | None = None
        try:
            answer = parse_checked(message)
            # Beyond our payload size it came in fragments; later ones are easy to forge (RFC 9715 section 3.2).
            question, rcode, cut = answer.question, answer.rcode, answer.tc or len(message) > OUR_PAYLOAD
        except MalformedData:
            return self._handle_malformed(exchange, server, read_question(message)[0], cookie, now_ns)
        except MalformedMessage:
            found = read_partly(message, exchange.question)
            if found is None:
                self._outcomes.count(server, Failure.MALFORMED)
                return []
            question, rcode, cut = found
        if not same_question(question, exchange.question):
            self._outcomes.count(server, Failure.MISMATCH)
            return []
        refused = self._check_cookie(exchange, server, answer, cookie, now_ns)
        if refused is not None:
            return refused
        failure = failure_of(rcode, answer)
        if server in exchange.attempt.racers:
            self._settle(exchange, server, failure, rcode, answer)
        if failure is not None and server != exchange.server and not exchange.attempt.only_waits:
            exchange.attempt.strike(failed_as(failure, rcode), server)  # the server asked last may still answer
            self._outcomes.useless(server, failure, answer, now_ns // 1_000_000)
            return []
        step = self._judge(exchange, server, rcode, cut, now_ns, answer)
        if isinstance(step, Send) and step.server == server:
            return self._ask_same_again(exchange, step, now_ns)
        exchange.server = server
        return self._carry_out(exchange, step, now_ns, answer)

    def _ask_same_again(self, exchange: Exchange, step: Send, now_ns: int) -> list[Result]:
        """Ask the same server without EDNS or with another cookie. Ignore further answers to its earlier queries."""
        self._table.withdraw_from(exchange, step.server)
        del exchange.asked_ns[step.server]
        exchange.server = step.server
        return self._carry_out(exchange, step, now_ns)

    def _handle_other_case(
        self, exchange: Exchange, server: int, message: bytes, cookie: bytes | None, now_ns: int
    ) -> list[Result]:
        """Doubt an answer in another case than asked. Without the cookie it says nothing about its server."""
        refused = self._check_cookie(exchange, server, parsed(message), cookie, now_ns)
        if refused is not None:
            return refused
        self.health.changes_case(server, now_ns // 1_000_000)
        return self._handle_doubt(exchange, server, Failure.CASE, now_ns)

    def _handle_doubt(self, exchange: Exchange, server: int, reason: Failure, now_ns: int) -> list[Result]:
        """Ask `server` by stream, because its answer may be forged. Use nothing of that answer."""
        self._outcomes.count(server, reason)
        if server in exchange.attempt.racers:
            self._table.overtake(exchange, server, exchange.asked_ns[server])
        return self._carry_out(exchange, exchange.attempt.on_doubt(server, reason, now_ns // 1_000_000), now_ns)

    def _check_cookie(
        self, exchange: Exchange, server: int, answer: Answer | None, cookie: bytes | None, now_ns: int
    ) -> list[Result] | None:
        """Return None if an answer may be used by its cookie, else what to do instead (RFC 7873 section 5.3)."""
        if cookie is None:
            return None
        now_ms, returned = now_ns // 1_000_000, returned_cookie(answer, cookie)
        if returned is None:
            self._outcomes.count(server, Failure.MISMATCH)
            return []
        if len(returned) > CLIENT_COOKIE:
            self.health.has_cookie(server, returned, now_ms)
        elif not returned and self.health.expects_cookie(server, now_ms):
            return self._handle_doubt(exchange, server, Failure.COOKIE, now_ns)
        if answer is None or answer.rcode != Rcode.BADCOOKIE or len(returned) <= CLIENT_COOKIE:
            return None
        self.health.heard(server)
        step = exchange.attempt.on_bad_cookie(server, now_ms)
        if step is None:
            return self._handle_doubt(exchange, server, Failure.COOKIE, now_ns)
        self._outcomes.count(server, Failure.COOKIE)
        return self._ask_same_again(exchange, step, now_ns)

    def _settle(
        self, exchange: Exchange, server: int, failure: Failure | None, rcode: int, answer: Answer | None
    ) -> None:
        """End a race: `server` answered first, or failed, so that its rival may still answer."""
        has_opt = answer is not None and answer.edns is not None
        if failure is None:
            exchange.server = server
            self._table.overtake(exchange, server, exchange.asked_ns[server])
        elif exchange.attempt.lacks_edns(server, rcode, has_opt):
            exchange.server = server  # it is asked again, without EDNS
        else:
            exchange.server = exchange.attempt.lose(server)

    def _handle_malformed(
        self, exchange: Exchange, server: int, question: Question, cookie: bytes | None, now_ns: int
    ) -> list[Result]:
        """Ask another server if this one sent data that breaks the rules of its type, as in `unreachable`."""
        same = same_question(question, exchange.question)
        refused = self._check_cookie(exchange, server, None, cookie, now_ns) if same else None
        if refused is not None:
            return refused
        self._outcomes.count(server, Failure.MALFORMED if same else Failure.MISMATCH)
        if same and server in exchange.attempt.racers:
            exchange.server = exchange.attempt.lose(server)
        if not same or server != exchange.server:
            return []
        return self._try_next_server(exchange, Failure.MALFORMED, now_ns)

    def _judge(
        self, exchange: Exchange, server: int, rcode: int, cut: bool, now_ns: int, answer: Answer | None
    ) -> Step:
        """Return the attempt's next step after an answer. Count it, and update the server's health."""
        now_ms = now_ns // 1_000_000
        has_opt = answer is not None and answer.edns is not None
        failure = failure_of(rcode, answer)
        step = exchange.attempt.on_answer(failed_as(failure, rcode), cut, now_ms, server, has_opt)
        if failure is None and isinstance(step, Accept | AskByStream):
            elapsed_ns = now_ns - exchange.asked_ns[server]
            self._outcomes.succeeded(server, elapsed_ns, now_ms)
        elif isinstance(step, Send | AskByStream) and step.server == server:
            self._outcomes.count(server, Failure.REFUSED)  # it is healthy, but has no EDNS
        elif failure is not None:
            exchange.reason = failure
            self._outcomes.useless(server, failure, answer, now_ms)
        return step

    def unreachable(self, exchange: Exchange, server: int, now_ns: int) -> list[Result]:
        """Ask another server if there is one. Keep waiting for this one, because ICMP is easily forged."""
        now_ms = now_ns // 1_000_000
        if server in exchange.attempt.racers:
            exchange.server = exchange.attempt.lose(server)
            self._outcomes.failed(server, Failure.UNREACHABLE, now_ms)
            return []
        if exchange.server != server:
            return []
        self._outcomes.failed(server, Failure.UNREACHABLE, now_ms)
        return self._try_next_server(exchange, Failure.UNREACHABLE, now_ns)

    def _try_next_server(self, exchange: Exchange, reason: Failure, now_ns: int) -> list[Result]:
        """Ask another server at once if there is one; else keep waiting."""
        exchange.reason = reason
        step = exchange.attempt.on_error(now_ns // 1_000_000)
        return self._carry_out(exchange, step, now_ns) if isinstance(step, Send | AskByStream) else []
