"""The times of a policy file's items: dates become instants, in the zone of the authority that decided.

A term, binding or exemption may be relative to the day it is loaded. `known` has when each was loaded first, by the
digest of its written form (`written_form`). So loading the same file later gives the same times.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from dnsfilter.config.locations import Fault, KeyPath, Written
from dnsfilter.config.policy_schema import IntervalTable, ReviewedTable
from dnsfilter.policy.bounds import LAST_INSTANT
from dnsfilter.policy.calendar import (
    Span,
    after_day,
    end_after,
    end_of_span,
    local_day,
    local_instant,
    local_midnight,
    zone,
)
from dnsfilter.policy.model import Instant

# These keys explain, toggle or refer. Changing them does not make another item.
_NOT_IDENTITY = (
    "reason", "instrument", "date", "decision", "accepted", "approved", "list", "except", "new_names_at_once",
)  # fmt: skip


def written_form(item: Mapping[str, Any], *owner: str) -> str:
    """Return a digest of an item's authorities, service and times, for any order of its keys."""
    identity = {key: value for key, value in item.items() if key not in _NOT_IDENTITY}
    return hashlib.sha256(json.dumps([owner, identity], sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True)
class TableTimes:
    """The times of one file's items, loaded at the times in `known`, else at `now`. Adds what is wrong to `faults`."""

    written: Written
    now: Instant
    known: Mapping[str, Instant]
    faults: list[Fault]
    zones: dict[str, str] = field(default_factory=dict)
    """The time zone of each authority."""
    used: dict[str, Instant] = field(default_factory=dict)
    """When the items were loaded, by their written form."""

    def review(self, path: KeyPath, table: ReviewedTable, start: Instant, time_zone: str) -> Instant | None:
        """Return the date of review, if the table gives one."""
        if table.review_by is not None and table.review_in is not None:
            self.faults.append(Fault(path, "has both review_by and review_in: use one of them"))
        if table.review_by is not None:
            return instant_of(table.review_by, time_zone)
        if table.review_in is not None:
            return self._end_of((*path, "review_in"), table.start, start, table.review_in, time_zone)
        return None

    def zone(self, authority: str) -> str:
        """Return the zone of an authority, or UTC if that is faulty and reported as such."""
        time_zone = self.zones.get(authority, "UTC")
        try:
            zone(time_zone)
        except ValueError:
            return "UTC"
        return time_zone

    def loaded(self, path: KeyPath, *owner: str) -> Instant:
        """Return when the item at `path` was loaded first. `owner` identifies it together with its keys."""
        item: Any = self.written.data
        for part in path:
            item = item[part]
        form = written_form(item, *owner)
        return self.used.setdefault(form, self.known.get(form, self.now))

    def interval(
        self, path: KeyPath, table: IntervalTable, first: Instant, time_zone: str
    ) -> tuple[Instant, Instant | None]:
        """Return start and end of a table that was loaded at `first`."""
        day = local_day(first, time_zone) if table.start == "today" else table.start
        start = instant_of(day, time_zone)
        given = [key for key, value in (("until", table.until), ("end", table.end), ("for", table.for_)) if value]
        if len(given) > 1:
            self.faults.append(Fault(path, f"has {' and '.join(given)}: use one of them"))
        if table.until is not None:
            return start, after_day(table.until, time_zone)
        if table.end is not None:
            return start, instant_of(table.end, time_zone)
        if table.for_ is not None:
            return start, self._end_of((*path, "for"), day, start, table.for_, time_zone)
        return start, None

    def _end_of(
        self, path: KeyPath, written_start: "date | str", start: Instant, span: Span, time_zone: str
    ) -> Instant:
        is_day = isinstance(written_start, date) and not isinstance(written_start, datetime)
        try:
            if is_day or written_start == "today":
                end = end_of_span(local_day(start, time_zone), span, time_zone)
            else:
                end = end_after(start, span, time_zone)
        except (ValueError, OverflowError):
            end = LAST_INSTANT + 1
        if end > LAST_INSTANT:
            self.faults.append(Fault(path, "ends too far in the future"))
            return LAST_INSTANT
        return end


def instant_of(value: date, time_zone: str) -> Instant:
    """Return the instant of a day (local midnight), a local time in `time_zone`, or a time with its own offset."""
    if not isinstance(value, datetime):
        return local_midnight(value, time_zone)
    if value.tzinfo is None:
        return local_instant(value, time_zone)
    return int(value.timestamp())
