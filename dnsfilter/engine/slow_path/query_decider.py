"""Decide a query that may be answered: by policy, from local names, from the cache, or by an upstream.

The reference engine decides every query here, the compiled engine those that it is not certain of.
"""

from collections.abc import Sequence

from dnsfilter.cache.answer_cache import Cache, Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.interface import Miss, Reply
from dnsfilter.engine.rules.stale import stale_answer
from dnsfilter.engine.slow_path.case import Case
from dnsfilter.engine.slow_path.known_failures import FailureBook, known_failure
from dnsfilter.engine.slow_path.local import (
    SIGNAL_NAMES,
    Local,
    asks_any,
    asks_probe,
    probe_answer,
    recorded_answer,
    signal_answer,
    special_answer,
)
from dnsfilter.engine.slow_path.pending_table import HealthBook
from dnsfilter.engine.slow_path.query_policy import QueryPolicy
from dnsfilter.policy.decide import Verdict
from dnsfilter.telemetry.metrics import Outcome
from dnsfilter.telemetry.slots import CACHE_HITS
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.answer import follow
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import Class, EdeCode, Rcode, Type
from dnsfilter.wire.query import question_of
from dnsfilter.wire.reply import empty_reply, header_rcode

_UNANSWERED_CLASSES = frozenset({Class.CH, Class.NONE, Class.ANY})


class QueryDecider:
    """Decide queries of clients that may ask and are within their limits."""

    def __init__(
        self,
        policy: QueryPolicy,
        zones: Zones,
        cache: Cache,
        failures: FailureBook,
        health: HealthBook,
        slots: "memoryview[int]",
    ) -> None:
        self._policy = policy
        self._zones = zones
        self._cache = cache
        self._failures = failures
        self._health = health
        self._slots = slots
        self.due: tuple[CacheKey, bytes] | None = None
        """The last popular answer that a hit has found to end soon, and the client; the caller takes it."""

    def decide(self, case: Case) -> Reply | Miss:
        """Return the reply, or a miss that says which upstreams to ask."""
        policy, query, question, boot_ms = self._policy, case.query, case.query.question, case.boot_ms
        # 1. Policy on the question.
        matches = policy.snapshot.match(question.name)
        judgement = policy.judge(case, matches)
        if judgement.verdict is Verdict.REFUSE:
            return Reply(policy.refuse(case, judgement, matches))
        # 2. Local names, and queries that are never forwarded.
        immediate = self._without_upstream(case)
        if immediate is not None:
            policy.note(case, judgement)
            return Reply(immediate)
        qtype = Type.CNAME if asks_any(question) else question.qtype
        recorded = self._recorded(case, qtype)
        if recorded is not None:
            return Reply(policy.serve(case, recorded, Outcome.LOCAL))
        # 3. The cache; `serve` judges the targets of the answer too.
        route = self._zones.route(question.name, qtype)
        key = CacheKey(route.number, question.name, qtype, question.qclass, query.do, query.cd)
        entry = self._cache.get(key, boot_ms)
        if entry is not None and entry.is_fresh(boot_ms):
            self._slots[CACHE_HITS] += 1
            self._note_hit(case, key, route.servers, entry)
            return Reply(policy.serve(case, entry, Outcome.CACHED))
        # 4. The upstreams, unless they are known to fail.
        failed = known_failure(self._failures, self._health, key, route.servers, entry, boot_ms)
        if failed is None:
            return Miss(query, key, case.client, case.transport, route.servers)
        stale = stale_answer(self._cache, key, boot_ms)
        if stale is None:
            return Reply(policy.fail(case, failed))
        self._slots[CACHE_HITS] += 1
        return Reply(policy.serve(case, stale, Outcome.STALE))

    def _note_hit(self, case: Case, key: CacheKey, servers: Sequence[int], entry: Entry) -> None:
        """Set `due` if the answer must be asked for again. Servers that are known to fail are not asked."""
        if not self._cache.note_hit(key, case.boot_ms):
            return
        if known_failure(self._failures, self._health, key, servers, entry, case.boot_ms) is None:
            self.due = key, case.client

    def _recorded(self, case: Case, qtype: int) -> Entry | None:
        """Return the answer of this node's records, as if it were cached; None if there is none or it needs others."""
        asked = case.query.question
        if asked.name not in self._zones.records:
            return None
        question = question_of(asked.name, qtype, asked.qclass)
        answer = recorded_answer(question, self._zones)
        if answer is None:
            return None
        chain = follow(answer, question)
        return Entry(answer, case.boot_ms, case.boot_ms, chain.targets, False, 0) if chain.complete else None

    def _without_upstream(self, case: Case) -> bytes | None:
        """Return the reply to a query that is never forwarded; None for all other queries."""
        query, count = case.query, self._policy.count
        if not query.rd:
            count(case.transport, Outcome.NOT_RECURSIVE, Rcode.REFUSED)
            return empty_reply(query, Rcode.REFUSED, Ede(EdeCode.NOT_AUTHORITATIVE), case.limit)
        if query.question.qclass in _UNANSWERED_CLASSES:
            count(case.transport, Outcome.UNSUPPORTED, Rcode.REFUSED)
            return empty_reply(query, Rcode.REFUSED, None, case.limit)
        local = self._local(case)
        if local is None:
            return None
        count(case.transport, Outcome.LOCAL, header_rcode(local.message))
        if local.bypass is not None:
            self._policy.note_bypass(case, local.bypass)
        return local.message

    def _local(self, case: Case) -> Local | None:
        query, question = case.query, case.query.question
        if question.qclass == Class.IN and question.name in SIGNAL_NAMES and self._enforces(case):
            return signal_answer(query, case.limit)
        if asks_probe(query) and question.qtype == Type.TXT:
            return probe_answer(query, self._policy.probe_texts(case), case.limit)
        revision = self._policy.snapshot.revision
        recorded = question.qclass == Class.IN and question.name in self._zones.records
        found = None if recorded else self._zones.special(question.name, question.qtype, query.do)
        return special_answer(query, found, revision, case.limit)

    def _enforces(self, case: Case) -> bool:
        return case.range_class is not None and self._policy.snapshot.enforcing(case.range_class, case.at)
