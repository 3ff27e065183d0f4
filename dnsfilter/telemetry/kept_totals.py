"""Totals that survive an upgrade: the old program writes them, the new one reads them and goes on.

The bytes are a SHA-256, then JSON. They travel in sealed memory from one program to the next, so they are complete or
absent, and leave nothing on disk. Workers of the old program count until they end. So each of their blocks is named,
with its values at the last reading: the new program reads what they gained since.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import METRICS, BanGround, BanResult, Bypass
from dnsfilter.telemetry.policy_words import BanCount, BanUsage, BypassUsage, PendingUsage, PolicyWords, Sample
from dnsfilter.telemetry.slots import Labels, Slot, slot_table

VERSION: Final = 1
MOST_BYTES: Final = 1 << 28
"""Upper limit of the size. A thousand authorities with ten bans each take 20 MB."""
_DIGEST_BYTES: Final = 32
_MOST: Final = 1 << 64
_METRICS: Final = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Queries for reports of usage. Each query is in one count per ban, of its range or of all other ranges.

    `ranges` has all queries of a range, also those that no ban concerns, by prefix. `pending` has
    those for pending names.
    """

    bans: Mapping[BanUsage, int] = field(default_factory=dict)
    bypass: Mapping[BypassUsage, int] = field(default_factory=dict)
    ranges: Mapping[str, int] = field(default_factory=dict)
    pending: Mapping[PendingUsage, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there are any counts."""
        return bool(self.bans or self.bypass or self.ranges or self.pending)


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """The counter block of a worker that still runs, and its values at the last reading.

    `table` identifies the meaning of its slots. `policy` has the counts of generations by number.
    """

    pid: int
    path: str
    upstreams: tuple[str, ...]
    table: str
    slots: tuple[int, ...]
    policy: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class KeptTotals:
    """All totals at one time. `words` are those of the rules in force, by digest; `numbers` other counters by name.

    `usage` is what no report contained yet.
    """

    samples: Mapping[Sample, int] = field(default_factory=dict)
    policy: Mapping[Sample, int] = field(default_factory=dict)
    usage: UsageTotals = UsageTotals()
    words: Mapping[bytes, PolicyWords] = field(default_factory=dict)
    blocks: tuple[KeptBlock, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)


def table_digest(table: Sequence[Slot]) -> str:
    """Return a digest of the meaning of each slot. Another version may have other slots."""
    meaning = [(slot.index, slot.metric, slot.labels, slot.kind) for slot in table]
    return sha256(json.dumps(meaning).encode()).hexdigest()


def is_readable(block: KeptBlock) -> bool:
    """Return whether the slots of a block mean the same in this program."""
    table = slot_table(block.upstreams)
    return block.table == table_digest(table) and len(block.slots) == len(table)


def write_totals(kept: KeptTotals) -> bytes:
    """Return the bytes that `read_totals` reads."""
    content = {
        "version": VERSION,
        "samples": [[name, labels, value] for (name, labels), value in kept.samples.items()],
        "policy": [[name, labels, value] for (name, labels), value in kept.policy.items()],
        "usage": [list(kept.usage.bans.items()), list(kept.usage.bypass.items())],
        "ranges": dict(kept.usage.ranges),
        "pending": list(kept.usage.pending.items()),
        "words": {digest.hex(): [words.pairs, words.bans, words.bypass] for digest, words in kept.words.items()},
        "blocks": [
            [block.pid, block.path, block.upstreams, block.table, block.slots, list(block.policy.items())]
            for block in kept.blocks
        ],
        "numbers": dict(kept.numbers),
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    return sha256(body).digest() + body


def read_totals(data: bytes) -> KeptTotals:
    """Read the totals of the old program. Raise UnavailableError if they are damaged or of another version."""
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if len(data) > MOST_BYTES or sha256(body).digest() != digest:
        raise UnavailableError("read the totals of the previous program: they are damaged")
    try:
        content = json.loads(body)
        if content["version"] != VERSION:
            raise UnavailableError(f"read the totals of the previous program: version {content['version']}")
        return KeptTotals(
            _shown(dict(map(_sample, content["samples"]))),
            _shown(dict(map(_sample, content["policy"]))),
            _usage(content.get("ranges", {}), content.get("pending", []), *content["usage"]),
            {bytes.fromhex(digest): _words(*words) for digest, words in content["words"].items()},
            tuple(_block(*block) for block in content["blocks"]),
            {str(name): _count(value) for name, value in content["numbers"].items()},
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnavailableError(f"read the totals of the previous program: {error}") from error


def _sample(record: list[Any]) -> tuple[Sample, int]:
    name, labels, value = record
    return (str(name), tuple((str(key), str(text)) for key, text in labels)), _count(value)


def _shown(samples: Mapping[Sample, int]) -> Mapping[Sample, int]:
    """Return the samples that this program shows. Another version may have other metrics, labels and buckets."""
    buckets: dict[Sample, set[str | None]] = {}
    for name, labels in samples:
        series, bucket = _bucket(labels)
        buckets.setdefault((name, series), set()).add(bucket)
    known = {each for each, found in buckets.items() if _is_known(*each, found)}
    return {(name, labels): value for (name, labels), value in samples.items() if (name, _bucket(labels)[0]) in known}


def _bucket(labels: Labels) -> tuple[Labels, str | None]:
    """Return the labels without `le`, and its value; None for a sample that is not of a bucket."""
    return (labels[:-1], labels[-1][1]) if labels and labels[-1][0] == "le" else (labels, None)


def _is_known(name: str, labels: Labels, buckets: Set[str | None]) -> bool:
    metric = _METRICS.get(name)
    if metric is None or tuple(label for label, _ in labels) != metric.labels:
        return False
    return buckets == ({None, *map(repr, metric.buckets), "+Inf"} if metric.buckets else {None})


def _usage(ranges: dict[str, int], pending: list[Any], bans: list[Any], bypass: list[Any]) -> UsageTotals:
    return UsageTotals(
        dict(_ban_usage(*each) for each in bans),
        dict(_bypass_usage(*each) for each in bypass),
        {str(prefix): _count(queries) for prefix, queries in ranges.items()},
        dict(_pending_usage(*each) for each in pending),
    )


def _ban_usage(key: list[Any], value: int) -> tuple[BanUsage, int]:
    authority, service, by, ground, result, prefix = key
    named = str(authority), str(service), str(by), BanGround(ground).value, BanResult(result).value
    return (*named, None if prefix is None else str(prefix)), _count(value)


def _bypass_usage(key: list[str], value: int) -> tuple[BypassUsage, int]:
    authority, kind = key
    return (str(authority), Bypass(kind).value), _count(value)


def _pending_usage(key: list[str], value: int) -> tuple[PendingUsage, int]:
    authority, service, name = key
    return (str(authority), str(service), str(name)), _count(value)


def _words(pairs: list[list[str]], bans: list[list[str]], bypass: list[str]) -> PolicyWords:
    return PolicyWords(
        tuple((str(authority), str(service)) for authority, service in pairs),
        tuple(_ban_count(*ban) for ban in bans),
        tuple(map(str, bypass)),
    )


def _ban_count(authority: str, service: str, by: str, ground: str, site: str, prefix: str) -> BanCount:
    return BanCount(str(authority), str(service), str(by), BanGround(ground), str(site), str(prefix))


def _block(pid: int, path: str, upstreams: list[str], table: str, slots: list[int], policy: list[Any]) -> KeptBlock:
    generations = {_count(number): tuple(map(_count, counts)) for number, counts in policy}
    return KeptBlock(
        _count(pid), str(path), tuple(map(str, upstreams)), str(table), tuple(map(_count, slots)), generations
    )


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError(f"{value!r} is not a count")
    return value
