"""Write a report as Markdown. Pure. Texts from the database are escaped: none of them can make a heading or a link."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.report.pages.report_sections import content_of
from api.report.schemas import Language, ReportRead

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")


def _escaped(value: object) -> Markup:
    """Return a text as one line without a meaning in Markdown."""
    return value if isinstance(value, Markup) else Markup(_SPECIAL.sub(r"\\\1", " ".join(str(value).split())))


_TEMPLATES = Environment(
    loader=PackageLoader("api.report.pages"),
    autoescape=True,
    finalize=_escaped,
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)


def markdown_text(made: ReportRead, language: Language) -> str:
    """Return a report as Markdown with tables. It has no charts: the tables have their numbers."""
    return _TEMPLATES.get_template("report.md.jinja").render(content=content_of(made, language))
