"""The charts of a report, in one language. Pure."""

from collections.abc import Sequence
from datetime import date

from api.report.pages.charts import Band, Caption, Series, bars, times
from api.report.pages.content import Chart
from api.report.pages.words import Words
from api.report.schemas import BanReportRead, FigureRead, Interval
from dnsfilter.policy.calendar import add_months, local_midnight, parse_instant

MODES = ("enforce", "monitor", "off")
"""Modes by the order of fills."""
PARTLY = len(MODES)
"""The fill of a time without effect for some clients."""
MAX_TICKS = 8


def queries_chart(words: Words, ban: BanReportRead) -> Chart:
    """Return the bars of refused, monitored and exempted queries."""
    _ = words.text
    caption = Caption(
        f"queries-{ban.number}",
        _("Queries for {service} over time", service=ban.service_name),
        _("A bar for each interval: refused, monitored, exempted. The table has the numbers."),
    )
    series = [
        _series(words, _("Refused"), [one.refused for one in ban.buckets]),
        _series(words, _("Monitored"), [one.monitored for one in ban.buckets]),
        _series(words, _("Exempted"), [one.exempted for one in ban.buckets]),
    ]
    return bars(caption, [_label(words, one.first) for one in ban.buckets], series, words.integer)


def bypass_chart(words: Words) -> Chart:
    """Return the bars of attempts to bypass the resolver."""
    _, found = words.text, words.made.bypass
    caption = Caption(
        "bypass",
        _("Attempts to bypass the resolver over time"),
        _("A bar for each interval. The table has the numbers."),
    )
    series = [
        _series(words, words.word(kind), [one.attempts[kind] for one in found]) for kind in words.made.bypass_total
    ]
    return bars(caption, [_label(words, one.first) for one in found], series, words.integer)


def modes_chart(words: Words, ban: BanReportRead) -> Chart:
    """Return the rows of terms, modes and times without effect over the report's time, as far as it has passed."""
    _ = words.text

    def span(start: str, end: str, fill: int, name: str) -> tuple[float, float, int, str]:
        text = f"{name}: {words.start(start)} – {words.end(end)}"
        return _position(words, start), _position(words, end), fill, text

    bands = [
        Band(_("Term"), [span(one.start, one.end, 0, _("Term")) for one in ban.in_force]),
        Band(
            _("Mode"),
            [span(one.start, one.end, MODES.index(one.mode), words.word(one.mode)) for one in ban.modes],
        ),
        Band(
            _("Without effect"),
            [
                *(span(one.start, one.end, 0, words.word(one.cause)) for one in ban.not_in_force),
                *(span(one.start, one.end, PARTLY, words.word(one.cause)) for one in ban.partly_in_force),
            ],
        ),
    ]
    caption = Caption(
        f"modes-{ban.number}",
        _("Times in which the ban was in force"),
        _("One row for terms, one for modes, one for times without effect. The tables give the same."),
    )
    legend = [*map(words.word, MODES), _("without effect for some")]
    return times(caption, bands, _ticks(words), legend, reach=_position(words, words.made.until))


def _series(words: Words, name: str, figures: Sequence[FigureRead]) -> Series:
    """Return numbers as heights of bars: of a total with hidden numbers the least."""
    heights = [one.at_least if one.queries is None else one.queries for one in figures]
    return Series(name, heights, list(map(words.figure, figures)))


def _label(words: Words, first: str) -> str:
    if words.made.interval is Interval.MONTH:
        return words.short_month(first)
    return words.short_label(first)


def _position(words: Words, timestamp: str) -> float:
    start, end = parse_instant(words.made.start), parse_instant(words.made.end)
    return (parse_instant(timestamp) - start) / (end - start)


def _ticks(words: Words) -> list[tuple[float, str]]:
    """Return the first days of months as ticks, or the first and the last day of a short time."""
    first, last = date.fromisoformat(words.made.first), date.fromisoformat(words.made.last)
    months, month = [], add_months(first.replace(day=1), 0 if first.day == 1 else 1)
    while month <= last:
        months.append(month)
        month = add_months(month, 1)
    if len(months) < 2:
        return [(0.0, words.short_label(words.made.first)), (1.0, words.short_label(words.made.last))]
    every = -(-len(months) // MAX_TICKS)
    start, end = parse_instant(words.made.start), parse_instant(words.made.end)
    return [
        ((local_midnight(one, words.made.time_zone) - start) / (end - start), words.short_label(one.isoformat()))
        for one in months[::every]
    ]
