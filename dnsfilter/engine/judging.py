"""What policy makes of a query and of the answer to it, by the snapshot in force; and the count of that."""

from dataclasses import replace
from typing import cast

from dnsfilter.cache.answers import Entry
from dnsfilter.engine.case import Case, Failed
from dnsfilter.engine.local import any_answer, asks_any
from dnsfilter.engine.refusals import refusal, ttl_cap_s
from dnsfilter.policy.decide import Verdict
from dnsfilter.snapshot.reader import PASS, Judgement, Matched, Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Bypass, Outcome, Transport
from dnsfilter.telemetry.slots import BYPASS, QUERY, PolicyKind
from dnsfilter.wire.answer import ANSWER, beside, without_additional
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode, Rcode
from dnsfilter.wire.query import Question
from dnsfilter.wire.reply import empty_reply, relay

STALE_TTL_S = 30
"""TTL of a stale record (RFC 8767 section 4)."""
ENCRYPTED_DNS = "encrypted_dns"


class Judging:
    """The part of an engine that decides; the rest of it opens the counters and puts snapshots in force."""

    _snapshot: Snapshot
    _counters: CounterBlock
    _slots: "memoryview[int]"

    def _judge(self, case: Case, matches: tuple[Matched, ...]) -> Judgement:
        if case.range_class is None:
            return PASS
        return self._snapshot.judge(case.range_class, matches, case.at)

    def _serve(self, case: Case, entry: Entry, outcome: Outcome) -> bytes:
        """The reply from an entry, by the policy on the question and on every name that the answer leads to."""
        matches = self._matches(case.query.question, entry)
        judgement = self._judge(case, matches)
        if judgement.verdict is Verdict.REFUSE:
            return self._refuse(case, judgement, matches)
        self._note(judgement)
        self._count(case.transport, outcome)
        stale = outcome is Outcome.STALE
        told = cast(tuple[tuple[Matched, ...], ...], entry.beside)
        hidden = any(self._judge(case, found).verdict is Verdict.REFUSE for found in told)
        answer = without_additional(entry.answer) if hidden else entry.answer
        age_s, ad = entry.age_s(case.boot_ms), entry.ad and (case.query.ad or case.query.do)
        if asks_any(case.query.question):
            answer = replace(answer, question=case.query.question)
            if answer.rcode == Rcode.NOERROR and not answer.section(ANSWER):
                answer, age_s, ad = any_answer(answer.question), 0, False
        stale_code = EdeCode.STALE_NXDOMAIN if answer.rcode == Rcode.NXDOMAIN else EdeCode.STALE_ANSWER
        return relay(
            case.query,
            answer,
            age_s=age_s,
            ttl_cap_s=self._cap_s(case, (*matches, *(hit for found in told for hit in found))),
            stale_ttl_s=STALE_TTL_S if stale else None,
            ad=ad,
            ede=Ede(stale_code) if stale else None,
            limit=case.limit,
            turn=case.query.id,
        )

    def _matches(self, question: Question, entry: Entry) -> tuple[Matched, ...]:
        """What question and targets belong to; kept in the entry for as long as the names are the same ones."""
        snapshot = self._snapshot
        if entry.matches is None or entry.names_digest != snapshot.names_digest:
            entry.matches = snapshot.match_all((question.name, *entry.targets))
            entry.beside = tuple({found for found in map(snapshot.match, beside(entry.answer)) if found})
            entry.names_digest = snapshot.names_digest
        return cast(tuple[Matched, ...], entry.matches)

    def _cap_s(self, case: Case, matches: tuple[Matched, ...]) -> int | None:
        """How long the client may keep an answer, None without a bound of ours."""
        if not matches or not self._snapshot.concerned(matches):
            return None
        if case.range_class is None:
            return ttl_cap_s(case.at, None)
        return ttl_cap_s(case.at, self._snapshot.next_change(case.range_class, matches, case.at))

    def _refuse(self, case: Case, judgement: Judgement, matches: tuple[Matched, ...]) -> bytes:
        self._note(judgement)
        self._count(case.transport, Outcome.BLOCKED)
        cap_s = self._cap_s(case, matches) or ttl_cap_s(case.at, None)
        return refusal(case.query, judgement, cap_s, case.limit)

    def _note(self, judgement: Judgement) -> None:
        """Count what the bans made of a query, once it is certain."""
        count = self._counters.count
        if judgement.refused >= 0:
            count(judgement.refused, PolicyKind.REFUSED)
        for pair in judgement.monitored:
            count(pair, PolicyKind.MONITORED)
        for pair in judgement.exempted:
            count(pair, PolicyKind.EXEMPTED)
        if judgement.ban is not None and judgement.ban.service == ENCRYPTED_DNS:
            self._slots[BYPASS[Bypass.ENCRYPTED_DNS]] += 1

    def _count(self, transport: Transport, outcome: Outcome) -> None:
        self._slots[QUERY[transport][outcome]] += 1

    def _fail(self, case: Case, failed: Failed) -> bytes:
        """SERVFAIL, unless policy, which may have changed meanwhile, refuses the question or what it led to."""
        matches = self._snapshot.match_all((case.query.question.name, *failed.targets))
        judgement = self._judge(case, matches)
        if judgement.verdict is Verdict.REFUSE:
            return self._refuse(case, judgement, matches)
        self._note(judgement)
        self._count(case.transport, Outcome.FAILED)
        return empty_reply(case.query, Rcode.SERVFAIL, failed.edes, case.limit)
