"""The language of a page: the one that the visitor chose, else the first of the browser's that the console has."""

import re

from fastapi import Request

from api.locale.translations import FALLBACK, LOCALES

COOKIE = "__Host-dnsfilter-language"
NAMES = {"nl": "Nederlands", "fr": "Français", "de": "Deutsch", "en": "English"}
_ACCEPTED = re.compile(r"\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")


def language_of(request: Request) -> str:
    """Return a language of `LOCALES`."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LOCALES else accepted(request.headers.get("accept-language", ""))


def accepted(header: str) -> str:
    """Return the language of `LOCALES` that an Accept-Language header prefers (RFC 9110 section 12.5.4)."""
    found = (_ACCEPTED.fullmatch(part) for part in header[:500].split(","))
    wanted = [(float(each[2] or 1), each[1].lower()) for each in found if each is not None]
    known = [(weight, language) for weight, language in wanted if language in LOCALES and weight > 0]
    return max(known, key=lambda each: each[0])[1] if known else FALLBACK
