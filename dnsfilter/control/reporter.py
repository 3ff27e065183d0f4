"""Report to the control plane the state of this node, and its local acts until they are in the audit log there.

Every answer contains the number up to which the control plane has recorded the journal: it may have been restored from
a backup, or know a journal that was lost on this machine.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from dnsfilter.control.http_client import Answer, ControlClient, failure, refusal
from dnsfilter.control.identity import Identity
from dnsfilter.control.report import MOST_ENTRIES, Facts, Load, LoadMeter, report_body
from dnsfilter.control.usage_batches import Batch, UsageBatches
from dnsfilter.errors import UnavailableError
from dnsfilter.local.capture_files import CaptureOrder, parse_orders
from dnsfilter.local.journal import MAX_ENTRIES, MOST_NUMBER, Entry, Journal
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.kept_totals import UsageTotals

_PATH = "/v1/nodes/self/report"
_MOST_REPORTS_AT_ONCE = MAX_ENTRIES // MOST_ENTRIES + 2
_LOG = logging.getLogger("dnsfilter.control.reporter")


class Reporter:
    """Used by one thread: call `begin` at first and after each failure, then `report`."""

    def __init__(self, client: ControlClient, journal: Journal, identity: Callable[[], Identity]) -> None:
        """Initialize. `identity` returns the node's current identity, or raises UnavailableError."""
        self._client = client
        self._journal = journal
        self._identity = identity
        self._begun_s = time.monotonic()
        self._highest_sent = 0
        """The highest number of an entry that was sent without an answer."""
        self._usage = UsageBatches(int(time.time()))
        self.captures: tuple[CaptureOrder, ...] | None = None
        """The captures that the control plane listed last. None before its first answer."""
        self._turn = threading.Lock()  # of `_usage`, which an upgrade reads in another thread
        self._broken = 0
        """The number of broken lines in the journal at the last look."""
        self.begin()

    def begin(self) -> None:
        """Forget what is known of the control plane, because another one may answer from now on."""
        self._meter = LoadMeter()
        self._knows = False
        self._untaken: Sequence[Entry] = ()
        self._problem = ""

    def report(self, facts: Facts, trouble: str | None) -> None:
        """Send a report, and further ones while the journal has entries that are not reported.

        `trouble` is the reason why this node may not have the newest snapshot. The first report has no entries: its
        answer contains the number from which to send the journal. Raise UnavailableError if a report fails.
        """
        load = self._meter.read(facts, time.monotonic())
        waiting = self._unreported()
        entries = waiting if self._knows else ()
        usage = self._next_usage(facts)
        for _ in range(_MOST_REPORTS_AT_ONCE):
            taken = self._send(facts, load, trouble, entries, usage)
            usage = self._following(facts, usage)
            self._knows = True
            if not self._mark(taken) or (entries and taken < entries[0].number):
                return  # it was not recorded at once; send the rest with the next report
            entries = self._unreported()
            if not entries and usage is None:
                return

    def report_last(self, facts: Facts, trouble: str | None) -> None:
        """Send all that was counted up to now, before this program ends. Raise UnavailableError if that fails.

        An earlier batch may be stored but not yet acknowledged, so it is sent again first.
        """
        load = self._meter.read(facts, time.monotonic())
        while (usage := self._next_usage(facts, at_once=True)) is not None:
            self._send(facts, load, trouble, (), usage)
            with self._turn:
                self._usage.forget(usage.sequence)

    def note(self, counted: UsageTotals) -> None:
        """Note what was counted up to now: later queries may belong to another hour. Any thread may call this."""
        with self._turn:
            self._usage.note(counted, int(time.time()))

    def unreported(self, counted: UsageTotals) -> UsageTotals:
        """Return what no report has contained of `counted`. Any thread may call this."""
        with self._turn:
            return self._usage.unreported(counted)

    def _next_usage(self, facts: Facts, *, at_once: bool = False) -> Batch | None:
        with self._turn:
            return self._usage.next(facts.usage, int(time.time()), refused=facts.refused, at_once=at_once)

    def _following(self, facts: Facts, sent: Batch | None) -> Batch | None:
        """Return the batch after the one that was sent; None if that one is not stored yet."""
        if sent is None:
            return None
        batch = self._next_usage(facts)
        return None if batch is sent else batch

    def _send(
        self, facts: Facts, load: Load, trouble: str | None, entries: Sequence[Entry], usage: Batch | None
    ) -> int:
        """Send one report and return the number up to which the journal is recorded. Leave out refused parts."""
        answer = self._post(facts, load, trouble, entries, usage)
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and usage is not None:
            # A later report has room for the batch: this one takes the local acts.
            answer, usage = self._post(facts, load, trouble, entries), None
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and usage is not None:
            reason = refusal(answer)
            answer = self._post(facts, load, trouble, entries)
            if answer.status == HTTPStatus.OK:
                self._drop(usage, reason)
            usage = None
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and entries:
            self._untaken, self._highest_sent = entries, 0
            self._problem = f"the control plane refuses local acts of this node: {refusal(answer)}"
            answer = self._post(facts, load, trouble, ())
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and (facts.suspended or facts.names or facts.unregistered):
            refused = "local suspensions, local names or unregistered networks"
            problem = f"the control plane refuses {refused} of this node: {refusal(answer)}"
            bare = replace(facts, suspended=(), names=(), unregistered=())
            answer = self._post(bare, load, _joined(trouble, problem), ())
        if answer.status != HTTPStatus.OK:
            raise failure(f"report to {self._client.url}", answer)
        self._follow_captures(answer.body)
        if usage is not None:
            with self._turn:
                self._usage.forget(_stored(answer.body, usage))
        return _journal_number(answer.body)

    def _follow_captures(self, body: bytes) -> None:
        """Note the captures of an answer."""
        boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        try:
            self.captures = parse_orders(json.loads(body).get("captures", []), boot_ms)
        except (ValueError, AttributeError) as error:
            logs.emit(_LOG, logging.WARNING, "captures of the control plane not followed", reason=error)

    def _drop(self, usage: Batch, reason: str) -> None:
        with self._turn:
            self._usage.forget(usage.sequence)
        logs.emit(_LOG, logging.WARNING, "refused usage dropped", sequence=usage.sequence, reason=reason)

    def _post(
        self, facts: Facts, load: Load, trouble: str | None, entries: Sequence[Entry], usage: Batch | None = None
    ) -> Answer:
        token = self._identity().token
        uptime_s = int(time.monotonic() - self._begun_s)
        problems = _joined(trouble, self._problem)
        body = report_body(facts, load, problems, int(time.time()), uptime_s, entries, usage)
        self._highest_sent = max(self._highest_sent, *(entry.number for entry in entries[:MOST_ENTRIES]), 0)
        return self._client.ask("POST", _PATH, token, headers={"Content-Type": "application/json"}, body=body)

    def _mark(self, taken: int) -> bool:
        """Note the number in the journal. Return False if that fails: entries are sent again, but recorded once."""
        try:
            self._journal.mark_reported(taken, self._highest_sent, self._identity().enrolment)
        except UnavailableError as error:
            self._problem = str(error)
            return False
        self._highest_sent = 0
        return True

    def _unreported(self) -> Sequence[Entry]:
        try:
            entries, broken = self._journal.unreported(), self._journal.broken_lines()
        except UnavailableError as error:
            self._problem = str(error)
            return ()
        if broken > self._broken:
            logs.emit(_LOG, logging.WARNING, "broken lines of the journal passed over", lines=broken)
        self._broken = broken
        if entries and entries == self._untaken:
            return ()
        self._problem = ""
        return entries


def _joined(*reasons: str | None) -> str | None:
    return "; ".join(reason for reason in reasons if reason) or None


def _stored(body: bytes, sent: Batch) -> int:
    """Return through which sequence batches are stored. A control plane that keeps no usage has done with the batch."""
    try:
        sequence = json.loads(body)["usage"]
    except (ValueError, LookupError, TypeError):
        return sent.sequence
    return sequence if type(sequence) is int else sent.sequence


def _journal_number(body: bytes) -> int:
    try:
        number = json.loads(body)["journal"]
    except (ValueError, LookupError, TypeError):
        number = None
    if type(number) is not int or not 0 <= number <= MOST_NUMBER:
        raise UnavailableError("report: the answer has no valid number of the journal")
    return number
