"""The supervisor's totals: the counts of all workers, alive or dead, since the supervisor started.

Each reading of a block adds what each counter has gained since the last reading. So no total falls when rules change or
a worker dies, and nothing is counted twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from dnsfilter.telemetry.block import CounterBlock, PolicyCounts
from dnsfilter.telemetry.metrics import COUNTS_LOST
from dnsfilter.telemetry.slots import POLICY_KINDS, Labels, PolicyKind, Slot, SlotKind, policy_slot, slot_table

Pair: TypeAlias = tuple[str, str]
"""Slugs of an authority and a service."""
Sample: TypeAlias = tuple[str, Labels]
"""A metric's name and labels. A histogram's bucket has `le` as its last label; its sum (ns) has none."""

# Toggles make new digests without limit. A worker that lags further behind than this is dead.
_DIGESTS_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading: fixed and upstream samples, and the refused, monitored and exempted queries of each pair."""

    samples: Mapping[Sample, int]
    policy: Mapping[Pair, tuple[int, ...]]


@dataclass(slots=True)
class _Reading:
    """The values at the last reading of a block."""

    table: tuple[Slot, ...]
    slots: list[int]
    policy: dict[int, tuple[int, ...]] = field(default_factory=dict)


class Totals:
    """Sums over all counter blocks. Use it in one thread only."""

    def __init__(self) -> None:
        self._samples: dict[Sample, int] = {}
        self._policy: dict[Pair, list[int]] = {}
        self._labels: dict[bytes, tuple[Pair, ...]] = {}
        self._in_force: tuple[Pair, ...] = ()
        self._live: dict[CounterBlock, _Reading] = {}
        self._name(slot_table(()))

    def learn(self, digest: bytes, labels: Sequence[Pair]) -> None:
        """Name the pairs of the rules with this digest, by index. Call this before the rules go to the workers.

        From now on these rules are in force. Authorities without a pair in them are no longer shown.
        """
        labels = tuple(labels)
        self._labels.pop(digest, None)
        self._labels[digest] = labels
        self._in_force = labels
        while len(self._labels) > _DIGESTS_KEPT:
            del self._labels[next(iter(self._labels))]

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
            if counts.digest not in self._labels:
                break
            block.release(counts.generation)
            reading.policy.pop(counts.generation, None)

    def retire(self, block: CounterBlock) -> None:
        """Take the last counts of a worker that is dead and reaped, and forget its block. The caller closes it."""
        self.fold(block)
        nameless = (sum(counts.counts) for counts in block.unreleased() if counts.digest not in self._labels)
        self._samples[COUNTS_LOST.name, ()] += sum(nameless)
        del self._live[block]

    def snapshot(self) -> Counts:
        """Return all totals, with the sums of the live workers' gauges.

        Omit pairs of authorities without a pair in the rules in force. Include all pairs in force, also those with 0.
        """
        for block in self._live:
            self.fold(block)
        samples = dict(self._samples)
        for block, reading in self._live.items():
            for slot in reading.table:
                if slot.kind is SlotKind.GAUGE:
                    samples[slot.metric, slot.labels] += block.slots[slot.index]
        shown = {authority for authority, _ in self._in_force}
        policy = dict.fromkeys(self._in_force, (0,) * POLICY_KINDS)
        policy.update((pair, tuple(counts)) for pair, counts in self._policy.items() if pair[0] in shown)
        return Counts(samples, policy)

    def _name(self, table: Sequence[Slot]) -> None:
        for slot in table:
            if slot.kind is not SlotKind.STATE:
                self._samples.setdefault((slot.metric, slot.labels), 0)

    def _fold_policy(self, reading: _Reading, counts: PolicyCounts) -> None:
        labels = self._labels.get(counts.digest)
        if labels is None:
            return
        seen = reading.policy.get(counts.generation, (0,) * len(counts.counts))
        if counts.counts == seen:
            return
        for number, pair in enumerate(labels[: len(counts.counts) // POLICY_KINDS]):
            total = self._policy.setdefault(pair, [0] * POLICY_KINDS)
            for kind in PolicyKind:
                slot = policy_slot(number, kind)
                total[kind] += counts.counts[slot] - seen[slot]
        reading.policy[counts.generation] = counts.counts
