"""Apply policy to a query and its answer, by the snapshot in force, and count the result. Both engines use this."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast

from dnsfilter.cache.answer_cache import Entry, Withheld
from dnsfilter.config.node_config import Clients
from dnsfilter.engine.clock import Anchor
from dnsfilter.engine.interface import NodeLabel
from dnsfilter.engine.pending_names import PendingNames
from dnsfilter.engine.refused_clients import RefusedClients
from dnsfilter.engine.rules.refusal_reply import refusal
from dnsfilter.engine.rules.stale import STALE_TTL_S, stale_code
from dnsfilter.engine.rules.ttl_cap import ttl_cap_s
from dnsfilter.engine.rules.withheld_reply import withheld_reply
from dnsfilter.engine.slow_path.case import Case, Failed
from dnsfilter.engine.slow_path.local import any_answer, asks_any, has_signed_denial
from dnsfilter.engine.slow_path.recorder import Recorder
from dnsfilter.engine.tallies import response_slot
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Instant, WireName
from dnsfilter.snapshot.reader import PASS, Judgement, Matched, Snapshot
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Bypass, Outcome, Transport
from dnsfilter.telemetry.policy_words import BYPASS_KIND, PolicyKind, bypass_word, policy_word
from dnsfilter.telemetry.recent_names import FAILED, MONITORED, REFUSED, RecentNames
from dnsfilter.telemetry.slots import BYPASS, QUERY, REBINDING_BLOCKED
from dnsfilter.wire.answer import ANSWER, additional_names, without_additional
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode, Rcode
from dnsfilter.wire.query import Question
from dnsfilter.wire.reply import empty_reply, expressible, header_rcode, relay


class QueryPolicy:
    """Decides and counts by one snapshot at a time. Call `swap` first."""

    snapshot: Snapshot
    anchor: Anchor

    def __init__(self, clients: Clients, counters: CounterBlock) -> None:
        self._clients = clients
        self._counters = counters
        self._slots = counters.slots
        self._first_ban = self._first_bypass = 0
        self.node = NodeLabel()
        self.recorder: Recorder | None = None
        """Records queries while a capture is in force. None otherwise."""
        self.refused_clients = RefusedClients()
        self.names = RecentNames(counters.names)
        self.pending_names = PendingNames()

    def swap(self, snapshot: Snapshot, anchor: Anchor) -> None:
        """Decide by `snapshot` from now on."""
        self._counters.open_policy(snapshot.rules_digest, snapshot.words.size)
        self.names.swap(snapshot.words.bypass)
        self.pending_names.swap(snapshot.words.pairs)
        self._first_ban, self._first_bypass = snapshot.words.first_ban, snapshot.words.first_bypass
        self.snapshot, self.anchor = snapshot, anchor

    def may_ask(self, client: bytes, range_class: int | None, at: Instant) -> bool:
        """Return whether the client is registered or allowed by configuration, or all authorities are suspended."""
        return range_class is not None or self._clients.admits(client, at) or self.snapshot.suspends_all(at)

    def unregistered(self, case: Case) -> bytes:
        """Refuse a client that may not ask: REFUSED with Extended DNS Error 18 (RFC 8914 section 4.19)."""
        self.count(case.transport, Outcome.UNREGISTERED, Rcode.REFUSED)
        return empty_reply(case.query, Rcode.REFUSED, Ede(EdeCode.PROHIBITED), case.limit)

    def probe_texts(self, case: Case) -> tuple[str, ...]:
        """Return what the client's probe shows: this node, and as which range the client counts."""
        if case.range_class is None:
            return (*self.node.texts, "unregistered")
        texts = [*self.node.texts, f"authority={self.snapshot.authority(case.range_class)}"]
        with suppress(SnapshotError):
            prefix, label = self.snapshot.describe(case.client) or (None, "")
            texts += [f"range={prefix}"] if prefix is not None else []
            texts += [f"label={label}"] if label else []
        return tuple(texts)

    def judge(self, case: Case, matches: tuple[Matched, ...], targets: Sequence[WireName] = ()) -> Judgement:
        """Return the judgement on the matches of the question and of these targets. Count nothing."""
        if case.range_class is None:
            return PASS
        return self.snapshot.judge(case.range_class, matches, case.at, (case.query.question.name, *targets))

    def serve(self, case: Case, entry: Entry, outcome: Outcome) -> bytes:
        """Return the reply from an entry. Apply policy to the question and to every target of the answer."""
        matches = self._matches(case.query.question, entry)
        judgement = self.judge(case, matches, entry.targets)
        if judgement.verdict is Verdict.REFUSE:
            return self.refuse(case, judgement, matches, entry.targets)
        self.note(case, judgement)
        added = cast(tuple[tuple[WireName, tuple[Matched, ...]], ...], entry.additional_matches)
        cap_s = self._cap_s(
            case,
            (*matches, *(hit for _, found in added for hit in found)),
            (*entry.targets, *(name for name, _ in added)),
        )
        if entry.withheld is Withheld.ANSWER:
            self._slots[REBINDING_BLOCKED] += 1
            self.count(case.transport, outcome, Rcode.NOERROR)
            return withheld_reply(case.query, cap_s, case.limit)
        self.count(case.transport, outcome, expressible(entry.answer.rcode, case.query.edns))
        stale = outcome is Outcome.STALE
        hidden = entry.withheld is Withheld.ADDITIONAL or any(
            self.judge(case, found, [name]).verdict is Verdict.REFUSE for name, found in added
        )
        answer = without_additional(entry.answer) if hidden else entry.answer
        age_s, ad = entry.age_s(case.boot_ms), entry.ad and (case.query.ad or case.query.do)
        if asks_any(case.query.question):
            answer = replace(answer, question=case.query.question)
            if answer.rcode == Rcode.NOERROR and not answer.section(ANSWER):
                # AD would vouch that there are no types at all. Upstream's word is about CNAME.
                ad = False
                if not has_signed_denial(answer):
                    answer, age_s = any_answer(answer.question), 0
        return relay(
            case.query,
            answer,
            age_s=age_s,
            ttl_cap_s=cap_s,
            stale_ttl_s=STALE_TTL_S if stale else None,
            ad=ad,
            ede=Ede(stale_code(answer.rcode)) if stale else None,
            limit=case.limit,
            turn=case.query.id,
        )

    def _matches(self, question: Question, entry: Entry) -> tuple[Matched, ...]:
        """Return the matches of question and targets. Store them in the entry until the names file changes."""
        snapshot = self.snapshot
        if entry.matches is None or entry.names_digest != snapshot.names_digest:
            entry.matches = snapshot.match_all((question.name, *entry.targets))
            entry.additional_matches = tuple(
                {(name, found) for name in additional_names(entry.answer) if (found := snapshot.match(name))}
            )
            entry.names_digest = snapshot.names_digest
        return cast(tuple[Matched, ...], entry.matches)

    def _cap_s(self, case: Case, matches: tuple[Matched, ...], targets: Sequence[WireName]) -> int | None:
        """Return how long the client may cache an answer that leads to `targets`, in seconds; None without a bound."""
        if not matches or not self.snapshot.concerned(matches):
            return None
        if case.range_class is None:
            return ttl_cap_s(case.at, None)
        names = case.query.question.name, *targets
        return ttl_cap_s(case.at, self.snapshot.next_change(case.range_class, matches, case.at, names))

    def refuse(
        self, case: Case, judgement: Judgement, matches: tuple[Matched, ...], targets: Sequence[WireName] = ()
    ) -> bytes:
        """Return the reply to a query that policy refuses."""
        self.note(case, judgement)
        if (number := judgement.refused_by) >= 0 and self._notes_client(case):
            self.refused_clients.note(case.client, self.snapshot.words.bans[number])
        cap_s = self._cap_s(case, matches, targets) or ttl_cap_s(case.at, None)
        reply = refusal(case.query, judgement, cap_s, case.limit)
        self.count(case.transport, Outcome.REFUSED, header_rcode(reply))
        return reply

    def _notes_client(self, case: Case) -> bool:
        return case.range_class is not None and self.snapshot.notes_clients(case.range_class, case.at)

    def note(self, case: Case, judgement: Judgement) -> None:
        """Count the effect of the bans on a query, and an attempt to use an encrypted resolver, once it is certain.

        Note its name if a ban refuses or monitors it.
        """
        if judgement.verdict is not Verdict.PASS:
            self._note_name(case, REFUSED if judgement.verdict is Verdict.REFUSE else MONITORED)
        self._note_all(0, judgement.refused, judgement.monitored, judgement.exempted)
        self._note_all(self._first_ban, judgement.refused_by, judgement.monitored_by, judgement.exempted_by)
        for pair, name in judgement.pending:
            self.pending_names.note(pair, name)
        if judgement.is_bypass:
            self.note_bypass(case, Bypass.ENCRYPTED_DNS)

    def note_bypass(self, case: Case, kind: Bypass) -> None:
        """Count an attempt to use a way around the resolver, also for the client's authority."""
        self._slots[BYPASS[kind]] += 1
        number = self._counted_number(case)
        if number >= 0:
            self._counters.count(self._first_bypass + bypass_word(number, BYPASS_KIND[kind]))

    def _note_name(self, case: Case, ring: int) -> None:
        self.names.note(ring, self._counted_number(case), case.query.question.name)

    def _counted_number(self, case: Case) -> int:
        """Return the number of the client's authority among those that count anything, or -1."""
        return -1 if case.range_class is None else self.snapshot.bypass_number(case.range_class)

    def _note_all(self, first: int, refused: int, monitored: tuple[int, ...], exempted: tuple[int, ...]) -> None:
        counted = self._counters.count
        if refused >= 0:
            counted(first + policy_word(refused, PolicyKind.REFUSED))
        for number in monitored:
            counted(first + policy_word(number, PolicyKind.MONITORED))
        for number in exempted:
            counted(first + policy_word(number, PolicyKind.EXEMPTED))

    def count(self, transport: Transport, outcome: Outcome, rcode: int | None = None) -> None:
        """Count a query once its outcome is certain, and its reply; without a reply, `rcode` is None."""
        self._slots[QUERY[transport][outcome]] += 1
        if rcode is not None:
            self.count_reply(rcode)

    def count_reply(self, rcode: int) -> None:
        """Count a reply to a query that is counted already."""
        self._slots[response_slot(rcode)] += 1

    def fail(self, case: Case, failed: Failed) -> bytes:
        """Return SERVFAIL, or a refusal if policy, which may have changed, refuses the question or its targets."""
        matches = self.snapshot.match_all((case.query.question.name, *failed.targets))
        judgement = self.judge(case, matches, failed.targets)
        if judgement.verdict is Verdict.REFUSE:
            return self.refuse(case, judgement, matches, failed.targets)
        self.note(case, judgement)
        self._note_name(case, FAILED)
        self.count(case.transport, Outcome.FAILED, Rcode.SERVFAIL)
        return empty_reply(case.query, Rcode.SERVFAIL, failed.edes, case.limit)
