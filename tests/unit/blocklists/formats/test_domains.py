"""Plain names, one per line."""

import pytest

from blocklists.formats.domains import WORDS
from blocklists.formats.items import ADDRESS, LONG, MAX_LINE, NO_HOST, NOT_UTF_8
from blocklists.formats.known import Format
from dnsfilter.wire.unicode_names import NOT_INTERNATIONALIZED
from tests.support.read_names import read_rows


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("example.org", ["example.org"]),
        ("  WWW.Example.ORG.\r", ["www.example.org"]),
        ("*.example.org", ["example.org"]),
        (".example.org", ["example.org"]),
        ("_dmarc.example.org", ["_dmarc.example.org"]),
        ("example.org # both", ["example.org"]),
        ("example.org#both", ["example.org"]),
        ("bücher.example", ["xn--bcher-kva.example"]),
        ("xn--bcher-kva.example", ["xn--bcher-kva.example"]),
        ("_dmarc.bücher.example", ["_dmarc.xn--bcher-kva.example"]),
        ("", []),
        ("# a comment", []),
        ("example.org @!cn", [f"1: example.org @!cn {WORDS}"]),
        ("192.0.2.1", [f"1: 192.0.2.1 {ADDRESS}"]),
        ("2001:db8::1", [f"1: 2001:db8::1 {ADDRESS}"]),
        ("192.0.2.１", [f"1: 192.0.2.１ {ADDRESS}"]),
        ("a.example.1", [f"1: a.example.1 {ADDRESS}"]),
        ("a..example", ["1: a..example has an empty label"]),
        ("*.", ["1: *. has an empty label"]),
        (f"{'a' * 64}.example", [f"1: {'a' * 64}.example has a label of more than 63 bytes"]),
        ("||example.org^", [f"1: ||example.org^ {NO_HOST}"]),
        ("a.*.example", [f"1: a.*.example {NO_HOST}"]),
        ("a/b.example", [f"1: a/b.example {NO_HOST}"]),
        (".", [f"1: . {NO_HOST}"]),
        ("a℀b.example", [f"1: a℀b.example {NO_HOST}"]),
        ("\N{PILE OF POO}.example", [f"1: \N{PILE OF POO}.example {NOT_INTERNATIONALIZED}"]),
        (b"b\xfccher.example".decode(errors="surrogateescape"), [f"1: b\udcfccher.example {NOT_UTF_8}"]),
        ("a" * (MAX_LINE + 1), [f"1: {'a' * 79}… {LONG}"]),
    ],
)
def test_a_line_is_a_name_or_a_skip_with_its_reason(line: str, rows: list[str]) -> None:
    assert read_rows(Format.DOMAINS, line) == rows


def test_names_are_exact_on_request_but_those_with_a_wildcard() -> None:
    assert read_rows(Format.DOMAINS, "a.example\n*.b.example\n.c.example", exact=True) == [
        "=a.example",
        "b.example",
        "c.example",
    ]


def test_a_skip_has_the_number_of_its_line() -> None:
    assert read_rows(Format.DOMAINS, "# one\na.example\n\nb c") == ["a.example", f"4: b c {WORDS}"]
