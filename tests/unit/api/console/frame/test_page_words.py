"""The catalogues of the console translate every text, with the same placeholders, and contain nothing else."""

from datetime import date
from enum import StrEnum
from string import Formatter

import pytest
from babel.messages.catalog import Message

from api.console.frame.page_words import Words
from dnsfilter.policy.instants import day_words
from dnsfilter.translatable import Text, either
from tests.support.console_texts import LANGUAGES, catalogue, is_translated, refusals_without_template, texts


class Known(StrEnum):
    LAPSED = "lapsed"
    IN_FORCE = "in_force"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def edges(text: str) -> tuple[bool, bool]:
    # French has a space before these marks.
    text = text.removeprefix(" ") if text[1:2] in (":", ";") else text
    return text[:1].isspace(), text[-1:].isspace()


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
            # A page has buttons where the command line has commands.
            assert placeholders(english) - {"command"} == placeholders(said) - {"command"}, message.id
            assert edges(said) == edges(english), message.id


def test_every_refusal_that_operators_meet_can_be_translated() -> None:
    assert refusals_without_template() == []


def test_texts_numbers_and_times_are_those_of_the_language() -> None:
    dutch = Words("nl")
    assert dutch.translate("Sign out") != "Sign out"
    assert dutch.number(12345) == "12.345"
    assert dutch.at("2026-12-01T13:05:00Z", "Europe/Brussels") == "1 december 2026, 14:05"
    assert dutch.through("2026-12-31T23:00:00Z", "Europe/Brussels") == "31 december 2026"
    assert Words("en").count("{n} ban", "{n} bans", 1) == "1 ban"


def test_a_refusal_is_shown_with_its_values_in_the_language() -> None:
    dutch = Words("nl")
    day = day_words(date(2026, 11, 25))
    state = Text("exemption {number} is {state}, not {states}", number=7, state=Known.LAPSED, states=either(Known))
    assert dutch.said(state) == "uitzondering 7 is vervallen, niet vervallen of van kracht"
    assert Words("en").said(state) == "exemption 7 is lapsed, not lapsed or in force"
    assert state == "exemption 7 is lapsed, not lapsed or in_force"
    passed = Text(
        "the end has passed at {at}: give a later time", at=Text("{day} {clock} {zone}", day=day, clock=8, zone="CET")
    )
    assert dutch.said(passed) == "het einde (25 november 2026 8 CET) is voorbij: kies een later tijdstip"
    assert dutch.said(Text("{given} is not a prefix", given="{x}")).startswith("{x} is geen netwerk")
    assert dutch.said("said by the page itself") == "said by the page itself"
