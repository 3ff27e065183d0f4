"""The supervisor's totals: the counts of all workers, alive or dead, since the supervisor started, over upgrades too.

Each reading of a block adds what each counter has gained since the last reading. So no total falls when rules change or
a worker dies, and nothing is counted twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from pathlib import Path
from typing import Final

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.block import CounterBlock, PolicyCounts
from dnsfilter.telemetry.kept_totals import KeptBlock, KeptTotals, UsageTotals, is_readable, table_digest
from dnsfilter.telemetry.metrics import COUNTS_LOST, PENDING, PENDING_LOST, UPSTREAM_QUERIES
from dnsfilter.telemetry.policy_words import BanUsage, BypassUsage, PendingUsage, PolicyWords, Sample
from dnsfilter.telemetry.slots import Slot, SlotKind, slot_table

# Toggles make new digests without limit. A worker that lags further behind than this is dead.
_DIGESTS_KEPT: Final = 64
MOST_RANGES: Final = 200_000
"""Maximum number of prefixes that are counted, so that no worker can fill the memory."""
MOST_PENDING: Final = 50_000
"""Maximum number of counts of pending names."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading of all counters, by metric and labels."""

    samples: Mapping[Sample, int]


@dataclass(slots=True)
class _Reading:
    """The values at the last reading of a block."""

    table: tuple[Slot, ...]
    slots: list[int]
    policy: dict[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Gained:
    """What words have gained since `_settle`, by number. To name them takes longer than a swap may wait."""

    words: PolicyWords
    numbers: Counter[int] = field(default_factory=Counter)
    _names: dict[int, tuple[Sample, BanUsage | None, BypassUsage | None]] = field(default_factory=dict)
    """What words count for. A name is kept, because to make it takes most of the time of a settlement."""

    def name(self, word: int) -> tuple[Sample, BanUsage | None, BypassUsage | None]:
        """Return what a word counts for."""
        names = self._names.get(word)
        if names is None:
            names = self.words.sample(word), self.words.ban_usage(word), self.words.bypass_usage(word)
            self._names[word] = names
        return names


class Totals:
    """Sums over all counter blocks. Use it in one thread only."""

    def __init__(self) -> None:
        self._samples: dict[Sample, int] = {}
        self._policy: Counter[Sample] = Counter()
        self._ban_usage: Counter[BanUsage] = Counter()
        self._bypass_usage: Counter[BypassUsage] = Counter()
        self._range_usage: Counter[str] = Counter()
        self._pending_usage: Counter[PendingUsage] = Counter()
        self._words: dict[bytes, PolicyWords] = {}
        self._in_force = PolicyWords()
        self._shown = self._in_force.shown()
        self._gained: list[_Gained] = []
        self._live: dict[CounterBlock, _Reading] = {}
        self._inherited: dict[int, CounterBlock] = {}
        """Blocks of workers of the previous program, by process id."""
        self._name(slot_table(()))
        self._samples[PENDING_LOST.name, ()] = 0

    def learn(self, digest: bytes, words: PolicyWords) -> None:
        """Name what the words of the rules with this digest count. Call this before the rules go to the workers.

        From now on these rules are in force. Forget what they no longer count for an authority. If later rules count it
        again, its series begins again: with its earlier value, all of it would seem new to Prometheus.
        """
        if words != self._in_force:  # else keep the old object: most toggles change no words
            self._settle()
            self._in_force, self._shown = words, words.shown()
            self._policy = Counter(self._shown_policy())
        self._words.pop(digest, None)
        self._words[digest] = self._in_force
        while len(self._words) > _DIGESTS_KEPT:
            del self._words[next(iter(self._words))]

    def watch(self, block: CounterBlock, upstreams: Sequence[str]) -> None:
        """Read this worker's block from now on. `upstreams` names its upstreams, by index."""
        if len(upstreams) != block.upstreams:
            raise ValueError(
                f"watch counter block {block.path}: {len(upstreams)} names for {block.upstreams} upstreams"
            )
        table = slot_table(upstreams)
        self._name(table)
        self._live[block] = _Reading(table, [0] * len(table))

    def fold(self, block: CounterBlock) -> None:
        """Add what a watched block has gained, and release its retired generations. Call this before each swap."""
        reading = self._live[block]
        for slot, value in zip(reading.table, block.slots, strict=True):
            if slot.kind not in (SlotKind.GAUGE, SlotKind.STATE):
                self._samples[slot.metric, slot.labels] += value - reading.slots[slot.index]
                reading.slots[slot.index] = value
        generations = block.unreleased()
        for counts in generations:
            self._fold_policy(reading, counts)
        for counts in generations[:-1]:
            # In order, and only generations with names: the rest waits for `learn`.
            if counts.digest not in self._words:
                break
            block.release(counts.generation)
            reading.policy.pop(counts.generation, None)

    def add_ranges(self, queries: Mapping[str, int]) -> None:
        """Add queries of ranges, by prefix, which a worker has reported. They are in no block and no metric."""
        for prefix, number in queries.items():
            if prefix in self._range_usage or len(self._range_usage) < MOST_RANGES:
                self._range_usage[prefix] += number

    def add_pending(self, noted: Sequence[tuple[str, str, str, int]], lost: int) -> None:
        """Add queries for pending names, each with authority, service and name, and how many found no room."""
        for authority, service, name, queries in noted:
            key = authority, service, name
            if key not in self._pending_usage and len(self._pending_usage) >= MOST_PENDING:
                lost += queries
                continue
            self._pending_usage[key] += queries
            sample = PENDING.name, (("service", service),)
            self._samples[sample] = self._samples.get(sample, 0) + queries
        self._samples[PENDING_LOST.name, ()] += lost

    def retire(self, block: CounterBlock) -> None:
        """Take the last counts of a worker that is dead and reaped, and forget its block. The caller closes it."""
        self.fold(block)
        nameless = (sum(counts.counts) for counts in block.unreleased() if counts.digest not in self._words)
        self._samples[COUNTS_LOST.name, ()] += sum(nameless)
        del self._live[block]

    def snapshot(self) -> Counts:
        """Return all totals, with the sums of the live workers' gauges.

        Omit policy counts that are 0, and those of an authority that the rules in force do not count.
        """
        for block in self._live:
            self.fold(block)
        samples = dict(self._samples)
        for block, reading in self._live.items():
            for slot in reading.table:
                if slot.kind is SlotKind.GAUGE:
                    samples[slot.metric, slot.labels] += block.slots[slot.index]
        self._settle()
        samples.update(self._shown_policy())
        return Counts(samples)

    def usage(self) -> UsageTotals:
        """Return what was counted for reports of usage since this program started. The numbers only grow.

        `bans` maps (authority, service, ban_authority, ground, result, prefix or None) to queries, `bypass` maps
        (authority, kind). A range that is counted on its own has its prefix; None is for all other ranges, so the sum
        over prefixes is the authority's. Omit authorities that the rules in force do not count. `ranges` maps prefixes
        to all queries of a range, `pending` (authority, service, name) to queries for pending names. After an upgrade,
        the numbers begin with what `keep` was given as not reported.
        """
        for block in self._live:
            self.fold(block)
        self._settle()
        shown = {authority for _, authority in self._shown}
        return UsageTotals(
            {key: number for key, number in self._ban_usage.items() if key[0] in shown},
            {key: number for key, number in self._bypass_usage.items() if key[0] in shown},
            dict(self._range_usage),
            dict(self._pending_usage),
        )

    # Upgrades.

    def keep(
        self, running: Mapping[int, CounterBlock], numbers: Mapping[str, int], unreported: UsageTotals | None = None
    ) -> KeptTotals:
        """Return all totals for the next program. `running` has the blocks of workers that go on, by process id.

        `numbers` are further counters of the supervisor, `unreported` is the usage that no report contained; None if
        there was no report.
        """
        for block in self._live:
            self.fold(block)
        self._settle()
        blocks = (self._kept_block(pid, block) for pid, block in running.items() if block in self._live)
        digests = {block.digest for block in running.values()}
        words = {digest: found for digest in digests if (found := self._words.get(digest)) is not None}
        usage = self.usage() if unreported is None else unreported
        return KeptTotals(self._samples, self._policy, usage, words, tuple(blocks), numbers)

    def restore(self, kept: KeptTotals) -> Sequence[int]:
        """Go on from the totals of the previous program, and read the blocks of its workers until they end.

        Return the workers whose blocks this program cannot read. What they still count is lost.
        """
        self._samples.update(kept.samples)
        self._policy.update(kept.policy)
        self._ban_usage.update(kept.usage.bans)
        self._bypass_usage.update(kept.usage.bypass)
        self._range_usage.update(kept.usage.ranges)
        self._pending_usage.update(kept.usage.pending)
        self._words.update(kept.words)
        return [each.pid for each in kept.blocks if not self._inherit(each)]

    def retire_inherited(self, pid: int) -> None:
        """Take the last counts of a worker of the previous program that has ended, and close its block."""
        block = self._inherited.pop(pid, None)
        if block is not None:
            self.retire(block)
            block.close()

    def _kept_block(self, pid: int, block: CounterBlock) -> KeptBlock:
        reading = self._live[block]
        upstreams = tuple(
            dict(slot.labels)["upstream"] for slot in reading.table if slot.metric == UPSTREAM_QUERIES.name
        )
        digest = table_digest(reading.table)
        return KeptBlock(pid, str(block.path), upstreams, digest, tuple(reading.slots), dict(reading.policy))

    def _inherit(self, kept: KeptBlock) -> bool:
        if not is_readable(kept):
            return False
        try:
            block = CounterBlock.open(Path(kept.path))
        except UnavailableError:
            return False
        if block.upstreams != len(kept.upstreams):
            block.close()
            return False
        self.watch(block, kept.upstreams)
        self._live[block].slots[:] = kept.slots
        self._live[block].policy.update(kept.policy)
        self._inherited[kept.pid] = block
        return True

    def _name(self, table: Sequence[Slot]) -> None:
        for slot in table:
            if slot.kind is not SlotKind.STATE:
                self._samples.setdefault((slot.metric, slot.labels), 0)

    def _fold_policy(self, reading: _Reading, counts: PolicyCounts) -> None:
        words = self._words.get(counts.digest)
        if words is None:
            return
        seen = reading.policy.get(counts.generation, (0,) * len(counts.counts))
        if counts.counts == seen:
            return
        numbers = self._gained_by(words).numbers
        for word in compress(range(words.size), map(ne, counts.counts, seen)):
            numbers[word] += counts.counts[word] - seen[word]
        reading.policy[counts.generation] = counts.counts

    def _gained_by(self, words: PolicyWords) -> _Gained:
        for known in self._gained:
            if known.words is words:
                return known
        self._gained.append(_Gained(words))
        return self._gained[-1]

    def _shown_policy(self) -> dict[Sample, int]:
        """Return the policy counts that are not 0, of what the rules in force count for an authority."""
        # The first label is the authority.
        return {each: n for each, n in self._policy.items() if n and (each[0], each[1][0][1]) in self._shown}

    def _settle(self) -> None:
        """Add what words have gained to the totals."""
        for gained in self._gained:
            for word, number in gained.numbers.items():
                sample, ban, bypass = gained.name(word)
                self._policy[sample] += number
                if ban is not None:
                    self._ban_usage[ban] += number
                elif bypass is not None:
                    self._bypass_usage[bypass] += number
            gained.numbers.clear()
        self._gained = [gained for gained in self._gained if gained.words is self._in_force]
