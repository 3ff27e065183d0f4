"""When an exemption has effect: approved, in its interval, and in its weekly hours if it has any."""

from dnsfilter.policy.calendar import weekly_windows
from dnsfilter.policy.intervals import Intervals, intersection, span, union
from dnsfilter.policy.model import Exemption, Instant


def exemption_holds(exemption: Exemption, at: Instant) -> bool:
    """Return whether the exemption has effect at `at`: approved, in its interval, and in its hours if it has any."""
    if not exemption.period.holds(at):
        return False
    if not exemption.hours:
        return True
    windows = (w for hours in exemption.hours for w in weekly_windows(hours, exemption.start, exemption.end))
    return any(start <= at < end for start, end in windows)


def exemption_begins(exemption: Exemption, at: Instant) -> Instant | None:
    """Return when the exemption next has effect: `at` if it has effect then, None if it never will again."""
    begins = exemption.period.begins
    if begins is None or exemption.period.has_ended(at):
        return None
    start = max(at, begins)
    if not exemption.hours:
        return start
    first = (next(weekly_windows(hours, start, exemption.end), None) for hours in exemption.hours)
    return min((window[0] for window in first if window is not None), default=None)


def exempted_intervals(exemption: Exemption) -> Intervals:
    """Return when the exemption has effect. It has none before it is approved."""
    life = span(exemption.period)
    if not life or not exemption.hours:
        return life
    windows = union(w for hours in exemption.hours for w in weekly_windows(hours, exemption.start, exemption.end))
    return intersection(life, windows)
