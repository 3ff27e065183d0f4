"""The terms of a ban on a time line. Pure."""

from collections.abc import Iterator

from api.bans.schemas import BanRead, TermRead
from api.console.frame.page_words import Words
from api.report.pages.charts import Band, Caption, times
from api.report.pages.content import Chart
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.model import DAY_S, Instant

IN_FORCE, CUT_OFF = 0, 1
"""Fills: the time in which a term has effect, and the part that an early end took off."""
MARGIN_DAYS = 30


def terms_chart(words: Words, ban: BanRead, now: Instant, zone: str) -> Chart:
    """Return a row for each term, from before the first start until after the last end, and today as a mark."""
    _ = words.translate
    instants = [now, *(at for term in ban.terms for at in _instants(term))]
    first, last = min(instants), max(instants) + MARGIN_DAYS * DAY_S

    def position(at: Instant) -> float:
        return (at - first) / (last - first)

    def spans(term: TermRead) -> Iterator[tuple[float, float, int, str]]:
        start, end = parse_instant(term.start), last if term.end is None else parse_instant(term.end)
        ended = end if term.ended is None else max(start, parse_instant(term.ended))
        since = words.day(term.start, zone)
        tip = since if term.end is None else f"{since} – {words.through(term.end, zone)}"
        if ended > start:
            yield position(start), position(ended), IN_FORCE, tip
        if end > ended:
            yield position(ended), position(end), CUT_OFF, tip

    bands = [Band(_("Term {n}", n=number), list(spans(term))) for number, term in enumerate(ban.terms, 1)]
    caption = Caption(
        "terms",
        _("Terms of the ban on a time line"),
        _("A row for each term, and a mark for today. The table below has the dates."),
    )
    return times(caption, bands, [(position(now), _("today"))], [_("decided"), _("ended early")])


def _instants(term: TermRead) -> Iterator[Instant]:
    for text in (term.start, term.end, term.ended):
        if text is not None:
            yield parse_instant(text)
