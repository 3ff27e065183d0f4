"""The catalogues of reports translate every phrase, with the same placeholders, and contain nothing else."""

from dataclasses import astuple, fields
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from api.audit.acts import ACTS as RECORDED
from api.report.pages import phrases
from api.report.pages.phrases import ACTS, ENGLISH, WORDS, Phrases, phrases_in, word_in
from api.report.schemas import Cause, Language
from dnsfilter.policy.model import Audience, Funding, Ground, Mode, Reply
from dnsfilter.telemetry.metrics import Bypass

TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
TEXTS = {*astuple(ENGLISH), *WORDS.values(), *ACTS.values()}


def catalogue(language: str) -> Catalog:
    with (files("api") / "locale" / language / "LC_MESSAGES" / "reports.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_nothing_else(language: Language) -> None:
    messages = [message for message in catalogue(language) if message.id]
    assert {str(message.id) for message in messages} == TEXTS
    assert len(messages) == len(TEXTS)
    for message in messages:
        said = str(message.string)
        assert not message.fuzzy, message.id
        assert said, message.id
        assert said.strip() == said, message.id
        assert placeholders(str(message.id)) == placeholders(said), message.id


@pytest.mark.parametrize("language", Language)
def test_phrases_are_read_from_the_catalogue(language: Language) -> None:
    read = phrases_in(language)
    assert (read == ENGLISH) == (language is Language.ENGLISH)
    assert read.decision == {"nl": "Besluit", "fr": "Décision", "de": "Beschluss", "en": "Formal decision"}[language]


def test_every_phrase_is_used() -> None:
    sources = "".join(path.read_text() for path in Path(phrases.__file__).parent.glob("*.py"))
    unused = {field.name for field in fields(Phrases) if f"phrases.{field.name}" not in sources}
    assert unused == {"by_day", "by_week", "by_month"}, "these are chosen by the interval"


@pytest.mark.parametrize("kind", [Mode, Cause, Reply, Funding, Ground, Bypass])
def test_every_word_of_the_policy_has_a_text(kind: type[Mode]) -> None:
    assert {str(word) for word in kind} <= WORDS.keys()


def test_the_public_as_an_audience_differs_from_public_money() -> None:
    assert {"public_audience" if word == "public" else str(word) for word in Audience} <= WORDS.keys()


def test_acts_with_a_text_are_acts() -> None:
    assert ACTS.keys() <= RECORDED
    assert word_in(Language.DUTCH, "ban.remove") == "ban.remove"
