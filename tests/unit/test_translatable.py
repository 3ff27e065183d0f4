"""Texts keep their template and values where errors pass them on."""

import json

from api.errors import Conflict, Fault, Invalid, collect_faults, invalid_at
from dnsfilter.translatable import Text, either, joined

PASSED = Text("{time} has passed: give a later time", time="08:00")


def test_a_text_is_its_english_text() -> None:
    assert PASSED == "08:00 has passed: give a later time"
    assert json.dumps([PASSED]) == '["08:00 has passed: give a later time"]'
    assert Text("50 % of {this}") == "50 % of {this}"
    assert Text("{a}").filled(a="{b}") == "{b}"


def test_errors_keep_the_template_of_their_text() -> None:
    faults = list[Fault]()
    with collect_faults(faults, "first"), invalid_at("body.until"):
        raise ValueError(PASSED)
    with collect_faults(faults, "second"):
        raise Conflict(PASSED)
    kept = [each.message for each in faults]
    assert [each.template for each in kept if isinstance(each, Text)] == [PASSED.template] * 2


def test_a_single_fault_keeps_its_template_and_its_location() -> None:
    found = Invalid.at("body.until", PASSED).faults[0]
    assert (found.location, found.message) == ("body.until", PASSED)
    assert isinstance(found.message, Text)


def test_words_and_texts_become_one() -> None:
    assert either(["reader", "operator", "approver"]) == "reader or operator or approver"
    assert either(["reader"]) == "reader"
    assert joined([]) == ""
    assert joined([PASSED, "is empty"]) == f"{PASSED}; is empty"
