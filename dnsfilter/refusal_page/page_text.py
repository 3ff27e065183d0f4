"""The page about a refusal, in the reader's language. Pure."""

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from html import escape as html
from http import HTTPStatus

from dnsfilter.policy.extended_error import RefusalParts
from dnsfilter.telemetry.terminal import escape

FALLBACK = "en"
_ACCEPTED = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_STYLE = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;"
    "padding:0 1rem;overflow-wrap:anywhere}dt{font-weight:600;margin-top:.75rem}dd{margin:0}"
)
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of the page in one language."""

    title: str
    refused: str
    service: str
    decision: str
    ask: str
    not_refused: str
    unknown: str


_TEXTS = {
    "nl": _Texts(
        "Deze dienst is hier geblokkeerd",
        "{name} wordt op dit netwerk niet beantwoord, door een beslissing van {authority}.",
        "Dienst",
        "Beslissing",
        "Vragen",
        "Hier wordt niets geweigerd",
        "Op dit adres staat alleen uitleg over geblokkeerde diensten. Voor deze naam is op uw netwerk geen weigering "
        "bekend.",
    ),
    "fr": _Texts(
        "Ce service est bloqué ici",
        "{name} ne reçoit pas de réponse sur ce réseau, par une décision de : {authority}.",
        "Service",
        "Décision",
        "Questions",
        "Rien n’est refusé ici",
        "Cette adresse explique seulement les services bloqués. Aucun refus n’est connu pour ce nom sur votre réseau.",
    ),
    "de": _Texts(
        "Dieser Dienst ist hier gesperrt",
        "{name} wird in diesem Netz nicht beantwortet, durch eine Entscheidung von: {authority}.",
        "Dienst",
        "Entscheidung",
        "Fragen",
        "Hier wird nichts verweigert",
        "Unter dieser Adresse werden nur gesperrte Dienste erklärt. Für diesen Namen ist in Ihrem Netz keine Sperre "
        "bekannt.",
    ),
    "en": _Texts(
        "This service is blocked here",
        "{name} is not answered on this network, by a decision of {authority}.",
        "Service",
        "Decision",
        "Questions",
        "Nothing is refused here",
        "This address only explains blocked services. No refusal of this name is known on your network.",
    ),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A name that a ban refuses: what the text of the refusal says, and what stands in if that text was cut."""

    name: str
    authority: str
    service: str
    parts: RefusalParts


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its status, language and content. `contact` is a mail address, or empty."""

    status: HTTPStatus
    language: str
    content: bytes
    contact: str = ""


def language_for(accepted: str, first: str | None) -> str:
    """Return the language that a browser prefers, else the first of the authority, else English."""
    best, weight = "", 0.0
    for part in accepted[:200].split(","):
        found = _ACCEPTED.fullmatch(part)
        if found is None or found[1].lower() not in _TEXTS:
            continue
        given = float(found[2] or 1)
        if given > weight:
            best, weight = found[1].lower(), given
    return best or (first if first in _TEXTS else FALLBACK)


def refusal_page(refused: Refused, accepted: str) -> Page:
    """Return the page of a refused name: 451 if a formal decision is quoted (RFC 7725), else 403."""
    parts = refused.parts
    language = language_for(accepted, parts.language)
    texts = _TEXTS[language]
    authority, service = parts.authority or refused.authority, parts.service or refused.service
    first = _shown(texts.refused).format(name=f"<strong>{_shown(refused.name)}</strong>", authority=_shown(authority))
    facts = [(texts.service, service), (texts.decision, parts.reference), (texts.ask, parts.contact)]
    listed = "".join(f"<dt>{_shown(name)}</dt><dd>{_shown(text)}</dd>" for name, text in facts if text)
    status = HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS if parts.reference else HTTPStatus.FORBIDDEN
    contact = parts.contact if _MAIL.fullmatch(parts.contact) else ""
    return Page(status, language, _document(language, texts.title, f"<p>{first}</p><dl>{listed}</dl>"), contact)


def other_page(accepted: str) -> Page:
    """Return the page of a name for which no refusal is known."""
    language = language_for(accepted, None)
    texts = _TEXTS[language]
    content = _document(language, texts.not_refused, f"<p>{_shown(texts.unknown)}</p>")
    return Page(HTTPStatus.NOT_FOUND, language, content)


def _shown(text: str) -> str:
    return html(escape(text))


def _document(language: str, title: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_shown(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{_shown(title)}</h1>{body}</main></body></html>\n"
    ).encode()
