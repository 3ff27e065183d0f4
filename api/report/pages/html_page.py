"""Write a report as one HTML page: no script, and nothing from elsewhere. Pure. Every text is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from api.report.pages.report_sections import content_of
from api.report.schemas import Language, ReportRead

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

SHORT = 16
"""The most characters of a cell without a line break: a date with its time has as many."""

LONG_WORD = 30
"""The most characters of a word that does not break."""


def html_page(made: ReportRead, language: Language) -> str:
    """Return a report as a page that prints on A4."""
    content = content_of(made, language)
    return _TEMPLATES.get_template("report.html.jinja").render(content=content, security_policy=CONTENT_SECURITY_POLICY)


def width_of(text: str) -> str:
    """Return the class of a cell: a date does not break, and only a very long word breaks in its middle."""
    if len(text) <= SHORT:
        return "short"
    return "long" if max(map(len, text.split())) > LONG_WORD else "text"


_TEMPLATES = Environment(
    loader=PackageLoader("api.report.pages"),
    autoescape=True,
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters["width"] = width_of
