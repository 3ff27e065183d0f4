"""Tells the control plane how this node fares, and what was done to it by hand: each act until it is on record there.

How much of the journal is on record the control plane says itself, in every answer: it may have been restored from a
backup, or know a journal that was lost on this machine.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from dnsfilter.control.http_client import Answer, ControlClient, failure, refusal
from dnsfilter.control.identity import Identity
from dnsfilter.control.report import MOST_ENTRIES, Facts, Load, LoadMeter, report_body
from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import MAX_ENTRIES, MOST_NUMBER, Entry, Journal
from dnsfilter.telemetry import logs

_PATH = "/v1/nodes/self/report"
_MOST_TOLD_AT_ONCE = MAX_ENTRIES // MOST_ENTRIES + 2
_LOG = logging.getLogger("dnsfilter.control.reporter")


class Reporter:
    """One thread's: `begin` at first and after each failure, then `tell`."""

    def __init__(self, client: ControlClient, journal: Journal, identity: Callable[[], Identity]) -> None:
        """`identity` gives who the node is now, or raises UnavailableError."""
        self._client = client
        self._journal = journal
        self._identity = identity
        self._begun_s = time.monotonic()
        self._told = 0
        """The highest number of an entry that was told and not answered."""
        self._broken = 0
        """How many lines of the journal were broken when that was last looked at."""
        self.begin()

    def begin(self) -> None:
        """Somebody else may answer from now on: what was learnt of the control plane is forgotten."""
        self._meter = LoadMeter()
        self._knows = False
        self._untaken: Sequence[Entry] = ()
        self._problem = ""

    def tell(self, facts: Facts, trouble: str | None) -> None:
        """Report, and go on with the journal while there is more of it. `trouble` is why nothing newer is here.

        At first without the journal, to hear from where on it is to be told. Raises UnavailableError.
        """
        load = self._meter.read(facts, time.monotonic())
        waiting = self._unreported()
        entries = waiting if self._knows else ()
        for _ in range(_MOST_TOLD_AT_ONCE):
            taken = self._send(facts, load, trouble, entries)
            self._knows = True
            if not self._mark(taken) or (entries and taken < entries[0].number):
                return  # it is not taken as fast; the rest goes with the next report
            entries = self._unreported()
            if not entries:
                return

    def _send(self, facts: Facts, load: Load, trouble: str | None, entries: Sequence[Entry]) -> int:
        """The number up to which the journal is on record. What the control plane refuses in a report is left out."""
        answer = self._post(facts, load, trouble, entries)
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and entries:
            self._untaken, self._told = entries, 0
            self._problem = f"what was done by hand on this node is not taken: {refusal(answer)}"
            answer = self._post(facts, load, trouble, ())
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and (facts.suspended or facts.unregistered):
            problem = f"what is suspended on this node, or who is in no range, is not taken: {refusal(answer)}"
            bare = replace(facts, suspended=(), unregistered=())
            answer = self._post(bare, load, _joined(trouble, problem), ())
        if answer.status != HTTPStatus.OK:
            raise failure(f"report to {self._client.url}", answer)
        return _journal_number(answer.body)

    def _post(self, facts: Facts, load: Load, trouble: str | None, entries: Sequence[Entry]) -> Answer:
        token = self._identity().token
        uptime_s = int(time.monotonic() - self._begun_s)
        said = _joined(trouble, self._problem)
        body = report_body(facts, load, said, int(time.time()), uptime_s, entries)
        self._told = max(self._told, *(entry.number for entry in entries[:MOST_ENTRIES]), 0)
        return self._client.ask("POST", _PATH, token, headers={"Content-Type": "application/json"}, body=body)

    def _mark(self, taken: int) -> bool:
        """Whether the journal has noted it. If not, it is told again, which puts nothing on record twice."""
        try:
            self._journal.mark_reported(taken, self._told, self._identity().enrolment)
        except UnavailableError as error:
            self._problem = str(error)
            return False
        self._told = 0
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


def _journal_number(body: bytes) -> int:
    try:
        number = json.loads(body)["journal"]
    except (ValueError, LookupError, TypeError):
        number = None
    if type(number) is not int or not 0 <= number <= MOST_NUMBER:
        raise UnavailableError("report: the answer has no number of the journal")
    return number
