"""The catalogues translate every text, with the same placeholders, and contain nothing else."""

from collections.abc import Iterator
from importlib.resources import files
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from api.locale.translations import FALLBACK, LOCALES, translations
from api.notices.texts import TEXTS

TRANSLATED = [language for language in LOCALES if language != FALLBACK]


def texts() -> Iterator[str | tuple[str, str]]:
    """Yield every English text. Texts about several nodes are pairs of singular and plural."""
    for room in ("notices", "locale"):
        calls = extract_from_dir(str(files("api") / room), [("**.py", "python")], keywords={"_": None})
        yield from (message for _, _, message, _, _ in calls if isinstance(message, str))
    for text in TEXTS.values():
        for one, many in ((text.subject, text.subject_many), (text.what, text.what_many), (text.do, "")):
            if one:
                yield (one, many) if many else one


def _languages() -> set[str]:
    return {item.name for item in (files("api") / "locale").iterdir() if (item / "LC_MESSAGES").is_dir()}


def catalogue(language: str) -> Catalog:
    with (files("api") / "locale" / language / "LC_MESSAGES" / "notices.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def messages(language: str) -> list[Message]:
    return [message for message in catalogue(language) if message.id]


def forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, tuple | list) else (str(text),)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_each_language_except_english_has_a_catalogue() -> None:
    assert _languages() == set(TRANSLATED)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    found = {message.id if isinstance(message.id, str) else tuple(message.id) for message in messages(language)}
    assert found == set(texts())
    assert len(messages(language)) == len(found)
    for message in messages(language):
        assert not message.fuzzy, message.id
        assert all(form.strip() == form and form for form in forms(message.string)), message.id
    assert not catalogue(language).obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_each_form_has_the_placeholders_of_its_english_form(language: str) -> None:
    for message in messages(language):
        english, said = forms(message.id), forms(message.string)
        assert len(said) == len(english), message.id
        for one, other in zip(english, said, strict=True):
            assert placeholders(one) == placeholders(other), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_match_the_catalogue(language: str) -> None:
    read = translations(language)
    for message in messages(language):
        english, said = forms(message.id), forms(message.string)
        if len(english) == 1:
            assert read.gettext(english[0]) == said[0]
        else:
            assert [read.ngettext(english[0], english[1], count) for count in (1, 2, 30)] == [said[0], said[1], said[1]]


def test_english_is_the_source() -> None:
    for text in texts():
        assert translations(FALLBACK).gettext(forms(text)[0]) == forms(text)[0]
