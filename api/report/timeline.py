"""When a ban had which mode, and when it had no effect although a term was in force. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from api.bans.state import mode_setting_at
from api.db.base import Json
from api.db.models import AuditRow, BanRow, TermRow
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, intersection, span, union
from dnsfilter.policy.model import Instant, Mode


@dataclass(frozen=True, slots=True)
class ModeSpan:
    """A mode over `[start, end)`. The entry `act` of the audit log set it; None if it returned by itself."""

    start: Instant
    end: Instant
    mode: Mode
    reason: str
    act: int | None
    account: int | None


def mode_spans(acts: Iterable[AuditRow], within: Interval) -> list[ModeSpan]:
    """Return the modes of a ban within a time, from the acts on it, in order."""
    changes = [(row, row.after) for row in acts if row.after is not None and "mode" in row.after]
    ends = [*(row.time_s for row, _ in changes[1:]), FOREVER]
    spans: list[ModeSpan] = []
    for (row, after), end in zip(changes, ends, strict=True):
        for each in _spans(row, after, end):
            if spans and _continues(spans[-1], each):
                each = replace(spans.pop(), end=each.end)
            spans.append(each)
    first, last = within
    clipped = (replace(each, start=max(first, each.start), end=min(last, each.end)) for each in spans)
    return [each for each in clipped if each.start < each.end]


def held(terms: Iterable[TermRow], within: Interval) -> Intervals:
    """Return when a term was in force within a time."""
    return intersection(union(part for term in terms for part in span(term.period)), (within,))


def spans_in(modes: Iterable[ModeSpan], *wanted: Mode) -> Intervals:
    """Return the times in which a ban had one of the modes."""
    return union((each.start, each.end) for each in modes if each.mode in wanted)


def is_only_monitored(terms: Sequence[TermRow], modes: Sequence[ModeSpan], within: Interval) -> bool:
    """Return whether a ban counted in a time without refusing: it was in mode monitor, and never in mode enforce."""
    known = held(terms, within)
    monitored = intersection(known, spans_in(modes, Mode.MONITOR))
    return bool(monitored) and not intersection(known, spans_in(modes, Mode.ENFORCE))


def _spans(row: AuditRow, after: Json, end: Instant) -> Iterable[ModeSpan]:
    """Return the modes between an act and the next one: the one that it set, and the one that returned by itself."""
    off_until = after.get("off_until")
    was = BanRow(
        mode=after["mode"],
        mode_reason=after.get("mode_reason", ""),
        mode_set_s=row.time_s,
        mode_set_by=row.account,
        off_until_s=None if off_until is None else parse_instant(off_until),
        returns_to=after.get("returns_to"),
    )
    starts = [row.time_s]
    if was.off_until_s is not None and row.time_s < was.off_until_s < end:
        starts.append(was.off_until_s)
    for start, until in zip(starts, [*starts[1:], end], strict=True):
        switch = mode_setting_at(was, start)
        act = row.seq if start == row.time_s else None
        yield ModeSpan(start, until, switch.mode, switch.reason, act, switch.by)


def _continues(before: ModeSpan, after: ModeSpan) -> bool:
    return (
        before.mode is after.mode and before.end >= after.start and (not after.reason or after.reason == before.reason)
    )
