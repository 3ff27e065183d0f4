"""Rules of ad blockers."""

import pytest

from blocklists.formats.adblock import EXPRESSION, MODIFIED, NO_ANCHOR, NO_END, PAGE, PART, PATTERN
from blocklists.formats.items import ADDRESS, LONG, MAX_LINE, NO_HOST
from blocklists.formats.known import Format
from tests.support.read_names import read_rows


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("||example.org^", ["example.org"]),
        ("||example.org", ["example.org"]),
        ("||Example.org^|", ["example.org"]),
        ("||*.example.org^", ["example.org"]),
        ("|example.org^", ["=example.org"]),
        ("|example.org|", ["=example.org"]),
        ("@@||example.org^", ["+example.org"]),
        ("@@|example.org^", ["+=example.org"]),
        ("||example.org^$important", ["example.org"]),
        ("||example.org^$all,important", ["example.org"]),
        ("||bücher.example^", ["xn--bcher-kva.example"]),
        ("! a comment", []),
        ("# a comment", []),
        ("#", []),
        ("[Adblock Plus 2.0]", []),
        ("", []),
        ("||192.0.2.7^", [f"1: 192.0.2.7 {ADDRESS}"]),
        ("||example.org^$third-party", [f"1: ||example.org^$third-party {MODIFIED}"]),
        ("||example.org^$important,client=a", [f"1: ||example.org^$important,client=a {MODIFIED}"]),
        ("||example.org^$dnsrewrite=192.0.2.1", [f"1: ||example.org^$dnsrewrite=192.0.2.1 {MODIFIED}"]),
        ("@@||example.org^$denyallow=a.example", [f"1: @@||example.org^$denyallow=a.example {MODIFIED}"]),
        ("||example.org^$", [f"1: ||example.org^$ {MODIFIED}"]),
        ("||v*.example.org^", [f"1: ||v*.example.org^ {PATTERN}"]),
        ("||example.*^", [f"1: ||example.*^ {PATTERN}"]),
        ("|example.org", [f"1: |example.org {NO_END}"]),
        ("/example[0-9]/", [f"1: /example[0-9]/ {EXPRESSION}"]),
        ("@@/example/", [f"1: @@/example/ {EXPRESSION}"]),
        ("||example.org/ads", [f"1: ||example.org/ads {PART}"]),
        ("||example.org:8080^", [f"1: ||example.org:8080^ {PART}"]),
        ("|https://example.org^", [f"1: |https://example.org^ {PART}"]),
        ("||^", [f"1: ||^ {PART}"]),
        ("example.org", [f"1: example.org {NO_ANCHOR}"]),
        ("0.0.0.0 example.org", [f"1: 0.0.0.0 example.org {NO_ANCHOR}"]),
        ("example.org##.banner", [f"1: example.org##.banner {PAGE}"]),
        ("##.banner", [f"1: ##.banner {PAGE}"]),
        ("example.org#@#.banner", [f"1: example.org#@#.banner {PAGE}"]),
        ("example.org#?#div", [f"1: example.org#?#div {PAGE}"]),
        ("example.org#@$?#div", [f"1: example.org#@$?#div {PAGE}"]),
        ("example.org$$script", [f"1: example.org$$script {PAGE}"]),
        ("||a b^", ["1: a b contains a blank or a control character"]),
        ("||a%b.example^", [f"1: a%b.example {NO_HOST}"]),
        ("!" * (MAX_LINE + 1), [f"1: {'!' * 79}… {LONG}"]),
    ],
)
def test_a_rule_is_a_name_or_a_skip_with_its_reason(line: str, rows: list[str]) -> None:
    assert read_rows(Format.ADBLOCK, line) == rows


@pytest.mark.parametrize(("exact", "row"), [(True, "=a.example"), (False, "a.example")])
def test_rules_are_exact_or_not_on_request(exact: bool, row: str) -> None:
    assert read_rows(Format.ADBLOCK, "||a.example^\n|a.example^", exact) == [row, row]
