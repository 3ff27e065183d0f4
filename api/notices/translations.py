"""Translations: the gettext catalogues in `api/locale`, each read when first used; and the phrases of notices."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from api.notices.texts import PHRASES, Phrases

FALLBACK = "en"
LOCALES: Mapping[str, str] = {"nl": "nl_BE", "fr": "fr_BE", "de": "de_BE", FALLBACK: "en_GB"}
"""The languages of notices and reports, each with the locale that formats its dates."""


@cache
def translations(language: str, domain: str = "notices") -> NullTranslations:
    """Return a catalogue, of notices or `reports`, in a language of `LOCALES`. English is the source and has none."""
    if language == FALLBACK:
        return NullTranslations()
    compiled = BytesIO()
    with (files("api") / "locale" / language / "LC_MESSAGES" / f"{domain}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def phrases_in(language: str) -> Phrases:
    """Return the phrases in `language`."""
    catalogue = translations(language)
    return Phrases(*(catalogue.gettext(getattr(PHRASES, field.name)) for field in fields(Phrases)))
