"""The week of an exemption: the hours in which it applies, as a chart, as a table and in words. Pure."""

from collections.abc import Sequence

from api.console.frame.page_words import Words
from api.report.pages.charts import Band, Caption, times
from api.report.pages.content import Chart
from api.timestamps import parse_zoned_hours
from dnsfilter.policy.calendar import MINUTES_PER_DAY
from dnsfilter.policy.model import WeeklyHours

TICKS = (0, 6, 12, 18, 24)
"""Hours of the day that the chart names."""


def hours_words(w: Words, hours: Sequence[str], time_zone: str) -> str:
    """Return the hours in words, or that the exemption applies at all hours."""
    if not hours:
        return w.translate("at all hours")
    return "; ".join(_hours_words(w, parse_zoned_hours(text, time_zone), time_zone) for text in hours)


def week_rows(w: Words, hours: Sequence[str], time_zone: str) -> list[tuple[str, str]]:
    """Return each day of the week with its hours."""
    windows = _windows(hours, time_zone)
    return [
        (name, ", ".join(_span(*window) for window in found) or w.translate("not on this day"))
        for name, found in zip(w.weekdays(), windows, strict=True)
    ]


def week_chart(w: Words, hours: Sequence[str], time_zone: str) -> Chart:
    """Return the week as a chart: a row for each day."""
    caption = Caption(
        "week",
        w.translate("Hours of a week in which the exemption applies"),
        w.translate("A row for each day, from midnight to midnight. The table gives the same."),
    )
    bands = [
        Band(
            name,
            [
                (start / MINUTES_PER_DAY, end / MINUTES_PER_DAY, 0, f"{name} {_span(start, end)}")
                for start, end in found
            ],
        )
        for name, found in zip(w.weekdays(), _windows(hours, time_zone), strict=True)
    ]
    ticks = [(hour / 24, f"{hour:02}:00") for hour in TICKS]
    return times(caption, bands, ticks, [w.translate("The exemption applies")])


def _windows(hours: Sequence[str], time_zone: str) -> list[list[tuple[int, int]]]:
    """Return the windows of each day in minutes, in order."""
    parsed = [parse_zoned_hours(text, time_zone) for text in hours]
    if not parsed:
        return [[(0, MINUTES_PER_DAY)] for _ in range(7)]
    return [sorted((each.start_minute, each.end_minute) for each in parsed if day in each.days) for day in range(7)]


def _hours_words(w: Words, hours: WeeklyHours, time_zone: str) -> str:
    names, days = w.weekdays("abbreviated"), sorted(hours.days)
    together = len(days) > 2 and days[-1] - days[0] == len(days) - 1
    said = f"{names[days[0]]}–{names[days[-1]]}" if together else ", ".join(names[day] for day in days)
    zone = "" if hours.time_zone == time_zone else f" {hours.time_zone}"
    return f"{said} {_span(hours.start_minute, hours.end_minute)}{zone}"


def _span(start: int, end: int) -> str:
    return f"{start // 60:02}:{start % 60:02}–{end // 60:02}:{end % 60:02}"
