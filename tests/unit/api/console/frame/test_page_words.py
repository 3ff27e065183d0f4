"""The catalogues of the console translate every text, with the same placeholders, and contain nothing else."""

from string import Formatter

import pytest
from babel.messages.catalog import Message

from api.console.frame.page_words import Words
from tests.support.console_texts import LANGUAGES, catalogue, is_translated, texts


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def forms(text: object) -> tuple[str, ...]:
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text),)


def ids(messages: list[Message]) -> set[tuple[str, ...]]:
    return {forms(message.id) for message in messages}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    messages = [message for message in catalogue(language) if message.id]
    assert ids(messages) == ids([message for message in texts() if message.id]), "type scripts/console-texts"
    for message in messages:
        assert is_translated(message), message.id
        for english, said in zip(forms(message.id), forms(message.string), strict=True):
            assert placeholders(english) == placeholders(said), message.id
            assert said.strip() == said, message.id


def test_texts_numbers_and_times_are_those_of_the_language() -> None:
    dutch = Words("nl")
    assert dutch.translate("Sign out") != "Sign out"
    assert dutch.number(12345) == "12.345"
    assert dutch.at("2026-12-01T13:05:00Z", "Europe/Brussels") == "1 december 2026, 14:05"
    assert dutch.through("2026-12-31T23:00:00Z", "Europe/Brussels") == "31 december 2026"
    assert Words("en").count("{n} ban", "{n} bans", 1) == "1 ban"
