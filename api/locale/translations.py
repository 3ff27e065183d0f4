"""Translations: the gettext catalogues in `api/locale`, each read when first used."""

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

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
