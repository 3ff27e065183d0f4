"""Hosts files."""

import pytest

from blocklists.formats.hosts import MACHINE, NO_ADDRESS, NO_NAME, OWN_ADDRESS
from blocklists.formats.items import ADDRESS, LONG, MAX_LINE
from blocklists.formats.known import Format
from tests.support.read_names import read_rows


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("0.0.0.0 example.org", ["=example.org"]),
        ("127.0.0.1\tWWW.example.org", ["=www.example.org"]),
        ("127.0.0.7 example.org", ["=example.org"]),
        (":: a.example b.example # both", ["=a.example", "=b.example"]),
        ("::1 a.example", ["=a.example"]),
        ("0:0:0:0:0:0:0:0 a.example", ["=a.example"]),
        ("0.0.0.0 *.a.example", ["a.example"]),
        ("0.0.0.0 bücher.example", ["=xn--bcher-kva.example"]),
        ("# 0.0.0.0 a.example", []),
        ("", []),
        ("127.0.0.1 localhost", [f"1: localhost {MACHINE}"]),
        ("127.0.0.1 LOCALHOST a.example", [f"1: LOCALHOST {MACHINE}", "=a.example"]),
        ("255.255.255.255 broadcasthost", [f"1: broadcasthost {MACHINE}"]),
        ("fe80::1%lo0 localhost", [f"1: localhost {MACHINE}"]),
        ("ff02::1 ip6-allnodes", [f"1: ip6-allnodes {MACHINE}"]),
        ("0.0.0.0 192.0.2.7", [f"1: 192.0.2.7 {ADDRESS}"]),
        ("192.0.2.7 printer.example", [f"1: 192.0.2.7 printer.example {OWN_ADDRESS}"]),
        ("0.0.0.0", [f"1: 0.0.0.0 {NO_NAME}"]),
        ("example.org", [f"1: example.org {NO_ADDRESS}"]),
        ("0.0.0.0 a..example", ["1: a..example has an empty label"]),
        (f"0.0.0.0 {'a.example ' * MAX_LINE}", [f"1: {('0.0.0.0 ' + 'a.example ' * 9)[:79]}… {LONG}"]),
    ],
)
def test_a_line_gives_names_or_skips_with_their_reasons(line: str, rows: list[str]) -> None:
    assert read_rows(Format.HOSTS, line) == rows


def test_names_cover_those_below_on_request() -> None:
    assert read_rows(Format.HOSTS, "0.0.0.0 a.example", exact=False) == ["a.example"]
