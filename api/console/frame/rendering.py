"""Write pages from templates. Every text is escaped, and characters that are not printable are shown as numbers."""

import re
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.console.frame.calls import English
from api.console.frame.language import NAMES
from api.console.frame.page_words import N_, Words
from api.console.frame.static_files import url_of
from api.report.pages.html_page import width_of
from dnsfilter.policy.fleets import is_fleet_text
from dnsfilter.telemetry.terminal import escape


def render(template: str, language: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page in a language. `values` are those of the template; it also gets the language's `words`."""
    words = Words(language)
    page = TEMPLATES.get_template(template).render(
        {
            "visit": None,
            **values,
            "status": status,
            "language": language,
            "w": words,
            "_": words.translate,
            "n_": words.count,
        }
    )
    return HTMLResponse(page, status)


def _shown(value: object) -> object:
    """Return a value as a template prints it: markup as it is, text without characters that change its direction."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(map(_shown_part, _BREAKS.split(value)))


def _shown_part(part: str) -> str:
    return part if part in _KEPT else escape(part)


_KEPT = ("\n", "\r\n", "\t")
"""What a table has between its rows and cells."""
_BREAKS = re.compile(f"({'|'.join(_KEPT)})")
TEMPLATES = Environment(
    loader=ChoiceLoader([PackageLoader("api.console"), PackageLoader("api.report.pages")]),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    finalize=_shown,
)
NAVIGATION = (
    ("/console", N_("Today")),
    ("/console/bans", N_("Bans")),
    ("/console/why", N_("Why?")),
    ("/console/exemptions", N_("Exemptions")),
    ("/console/requests", N_("Requests")),
    ("/console/suspend", N_("Suspend")),
    ("/console/networks", N_("Networks")),
    ("/console/reports", N_("Reports")),
    ("/console/audit", N_("Audit log")),
    ("/console/people", N_("People")),
    ("/console/nodes", N_("Nodes")),
)
"""The pages of the navigation: path and name."""
TEMPLATES.filters["width"] = width_of
TEMPLATES.tests["fleet"] = is_fleet_text
TEMPLATES.tests["english"] = lambda text: isinstance(text, English)
TEMPLATES.globals.update(static=url_of, languages=NAMES, navigation=NAVIGATION)
