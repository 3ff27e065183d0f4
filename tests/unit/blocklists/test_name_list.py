"""Merging: each name once, none below another that covers it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats.items import Item
from blocklists.name_list import merge
from dnsfilter.policy.model import Tier
from dnsfilter.wire.names import is_at_or_below, parse_name
from tests.support.read_names import NAMES, drawn_items, row


def item(text: str) -> Item:
    name = text.lstrip("+=")
    return Item(1, parse_name(name), "=" in text, "+" in text)


@pytest.mark.parametrize(
    ("given_rows", "kept"),
    [
        (["a.example", "a.example"], ["a.example"]),
        (["a.example", "b.a.example", "=a.example", "=c.a.example"], ["a.example"]),
        (["b.a.example", "=a.example"], ["=a.example", "b.a.example"]),
        (["ba.example", "a.example"], ["a.example", "ba.example"]),
        (["a.example", "+b.a.example"], ["+b.a.example", "a.example"]),
        (["a.example", "+=a.example"], ["+=a.example", "a.example"]),
        (["=a.example", "+=a.example"], ["+=a.example"]),
        (["a.example", "b.a.example", "=c.a.example", "+a.example", "+=d.a.example"], ["+a.example"]),
    ],
)
def test_names_are_kept_once_and_exceptions_win(given_rows: list[str], kept: list[str]) -> None:
    assert sorted(map(row, merge(map(item, given_rows)).items())) == kept


def test_the_tier_of_a_service_has_the_names_without_exceptions() -> None:
    merged = merge(map(item, ["a.example", "+b.a.example", "=c.example", "=d.example", "+=d.example"]))
    assert merged.tier() == Tier(1, frozenset({parse_name("a.example")}), frozenset({parse_name("c.example")}))


@given(drawn_items(exact=st.booleans(), allow=st.booleans()), NAMES)
def test_merging_changes_the_verdict_of_no_name(items: list[Item], name: bytes) -> None:
    def refused(rules: list[Item]) -> bool:
        hits = [rule for rule in rules if (name == rule.name if rule.exact else is_at_or_below(name, rule.name))]
        return bool(hits) and not any(rule.allow for rule in hits)

    merged = merge(items)
    assert refused(list(merged.items())) == refused(items)
    assert merge(merged.items()) == merged
