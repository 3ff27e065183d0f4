"""Which numbers of queries are shown: the only place that knows. Pure.

A day is shown once, after it is over. A number from 1 to 4 is hidden, because it could identify a person. Everything
else that is shown is calculated from what is shown of days and of their parts. So no comparison of two answers, by day,
by range, over weeks or over months, reveals a hidden number.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from api.usage.state import HIDDEN_BELOW, HOUR_S, HOURS_KEPT_S
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.model import Instant

REPORTED_S = HOUR_S
"""Seconds after the end of a day in which connected nodes have reported what they counted in it."""
_MOST_HIDDEN = HIDDEN_BELOW - 1


class Figure(NamedTuple):
    """A number of queries as it is shown: `queries`, or its bounds.

    A hidden number has `below`: it is above 0 and below that. A total that includes hidden numbers has the least and
    the most that it can be; `at_most` is None if a part of it is not known.
    """

    queries: int | None = None
    below: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    @property
    def text(self) -> str:
        """Return the number in plain text: "12", "<5", "8-11" or ">=8"."""
        if self.queries is not None:
            return str(self.queries)
        if self.below is not None:
            return f"<{self.below}"
        return f">={self.at_least}" if self.at_most is None else f"{self.at_least}-{self.at_most}"


def is_hidden(queries: int) -> bool:
    """Return whether a number is hidden."""
    return 0 < queries < HIDDEN_BELOW


def figure(queries: int) -> Figure:
    """Return a number of a day, or of a part of one."""
    return Figure(below=HIDDEN_BELOW) if is_hidden(queries) else Figure(queries)


def coarse(queries: int) -> int:
    """Return a number that is shown while it grows: rounded down to 5, 10, 20, 50, 100 …, and 0 below 5.

    Two answers that follow each other then differ by no single query.
    """
    if is_hidden(queries) or not queries:
        return 0
    unit = int("1" + "0" * (len(str(queries)) - 1))
    return next(step * unit for step in (5, 2, 1) if step * unit <= queries)


def total(parts: Iterable[int], *, is_complete: bool = True) -> Figure:
    """Return the total of numbers that `figure` shows. It reveals no more than they do."""
    known = list(parts)
    return bounded(sum(one for one in known if not is_hidden(one)), sum(map(is_hidden, known)), is_complete=is_complete)


def bounded(known: int, hidden: int, *, is_complete: bool = True) -> Figure:
    """Return the total of numbers of which `hidden` are hidden; `known` is the sum of the others."""
    if not is_complete:
        return Figure(at_least=known + hidden)
    if not hidden:
        return Figure(known)
    if hidden == 1 and known == 0:
        return Figure(below=HIDDEN_BELOW)
    return Figure(at_least=known + hidden, at_most=known + hidden * _MOST_HIDDEN)


def distinct(days: Iterable[Iterable[int]], *, is_complete: bool = True) -> Figure:
    """Return the number of queries of some days, from what each of several bans counted of them on each day.

    A query that several bans counted counts once. How many do is not known: the least is what one ban counted alone,
    the most is the sum of all.
    """
    least = most = 0
    for counts in days:
        shown = [(1, _MOST_HIDDEN) if is_hidden(one) else (one, one) for one in counts]
        least += max((low for low, _ in shown), default=0)
        most += sum(high for _, high in shown)
    if not is_complete:
        return Figure(at_least=least)
    if least == most:
        return Figure(least)
    return Figure(below=HIDDEN_BELOW) if (least, most) == (1, _MOST_HIDDEN) else Figure(at_least=least, at_most=most)


def may_split(queries: int, shown: int, hidden: int, hidden_sum: int) -> bool:
    """Return whether the parts of a day may be shown next to the day's number `queries`.

    The `hidden` parts add up to `hidden_sum`, all others that would be shown to `shown`. The rest of the day is in no
    part: queries of small ranges. A reader knows how many parts are hidden and the sum of them and the rest, and may
    know from the registered ranges that there is no rest. To this reader, each hidden part and a hidden rest must be
    able to be each number from 1 to 4. The conditions use only what the reader knows, so their result reveals no more.
    """
    left = queries - shown
    rest = left - hidden_sum
    if rest < 0:
        return False
    if not hidden:
        return not is_hidden(rest)
    if rest == 0:
        return hidden + _MOST_HIDDEN - 1 <= left <= (hidden - 1) * _MOST_HIDDEN + 1
    most = hidden * _MOST_HIDDEN
    return left >= hidden + _MOST_HIDDEN and (left <= most + 1 or left >= most + HIDDEN_BELOW)


def last_shown_day(now_s: Instant, time_zone: str) -> date:
    """Return the last day whose numbers are shown: it is over, and connected nodes have reported it."""
    return local_day(now_s - REPORTED_S, time_zone) - timedelta(days=1)


def first_split_day(now_s: Instant, time_zone: str) -> date:
    """Return the first day whose parts are shown: all its hours are still kept."""
    return local_day(now_s - HOURS_KEPT_S, time_zone) + timedelta(days=1)
