"""The page of colours, type and components."""

from fastapi import Request, Response

from api.console.frame.language import language_of
from api.console.frame.page_route import pages
from api.console.frame.page_words import Words
from api.console.frame.rendering import render
from api.console.frame.visit import Form
from api.errors import Fault
from api.report.pages.charts import Caption, Series, bars
from api.report.pages.content import Chart

router = pages()
FIGURES = (("2026-09-21", 1200), ("2026-09-22", 1750), ("2026-09-23", 0), ("2026-09-24", 430))
"""What the picture shows: days with numbers."""


@router.get("/styles")
def styles(request: Request) -> Response:
    """Show every component of the console."""
    form, language = (
        Form({"reason": ["too short"]}, [Fault("body.reason", "give at least 10 characters")]),
        language_of(request),
    )
    return render("styles.html.jinja", language, form=form, figures=FIGURES, chart=_chart(Words(language)))


def _chart(words: Words) -> Chart:
    _ = words.translate
    caption = Caption("example", _("Refused each day"), _("A bar for each day. The table below has the figures."))
    numbers = [number for _day, number in FIGURES]
    series = Series(_("refused"), numbers, [words.number(number) for number in numbers])
    return bars(caption, [words.short_day(day) for day, _number in FIGURES], [series], words.number)
