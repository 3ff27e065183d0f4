"""The catalogues of reports translate every text, with the same placeholders, and contain nothing else."""

from importlib.resources import files
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from api.audit.acts import ACTS as RECORDED
from api.audit.acts import FAMILIES as RECORDED_FAMILIES
from api.report.pages.vocabulary import ACTS, FAMILIES, WORDS
from api.report.pages.words import Words
from api.report.schemas import Cause, Language
from blocklists.categories import Category
from dnsfilter.policy.model import Audience, Funding, Ground, Mode, Reply
from dnsfilter.telemetry.metrics import Bypass
from tests.unit.api.report.pages.test_words import MADE

TRANSLATED = [language for language in Language if language is not Language.ENGLISH]


def texts() -> set[str]:
    """Return the words, and the texts of calls of `Words.text`, also as `_`. Calls in f-strings are not found."""
    calls = extract_from_dir(str(files("api.report.pages")), [("**.py", "python")], keywords={"_": None, "text": None})
    return {*WORDS.values(), *ACTS.values(), *FAMILIES.values(), *(str(message) for _, _, message, _, _ in calls)}


def catalogue(language: str) -> Catalog:
    with (files("api") / "locale" / language / "LC_MESSAGES" / "reports.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_nothing_else(language: Language) -> None:
    messages = [message for message in catalogue(language) if message.id]
    assert {str(message.id) for message in messages} == texts()
    assert len(messages) == len(texts())
    for message in messages:
        said = str(message.string)
        assert not message.fuzzy, message.id
        assert said, message.id
        assert said.strip() == said, message.id
        assert placeholders(str(message.id)) == placeholders(said), message.id


@pytest.mark.parametrize("language", Language)
def test_a_text_is_read_from_the_catalogue_and_filled_in(language: Language) -> None:
    words = Words(MADE, language)
    assert words.text("Formal decision") == {
        "nl": "Formeel besluit",
        "fr": "Décision formelle",
        "de": "Förmlicher Beschluss",
    }.get(language, "Formal decision")
    assert words.text("{at} by {account}", at="<now>", account="{name}").startswith("<now>")


@pytest.mark.parametrize("kind", [Mode, Cause, Reply, Funding, Ground, Bypass, Category])
def test_every_word_of_the_policy_has_a_text(kind: type[Mode]) -> None:
    assert {str(word) for word in kind} <= WORDS.keys()


def test_the_public_as_an_audience_differs_from_public_money() -> None:
    assert {"public_audience" if word == "public" else str(word) for word in Audience} <= WORDS.keys()


def test_every_act_and_every_family_of_acts_has_a_text() -> None:
    assert ACTS.keys() == RECORDED
    assert FAMILIES.keys() == RECORDED_FAMILIES
    assert len({*ACTS.values(), *FAMILIES.values()}) == len(ACTS) + len(FAMILIES)


def test_an_act_of_another_version_is_shown_by_its_name() -> None:
    assert Words(MADE, Language.DUTCH).word("ban.foresee") == "ban.foresee"
