"""Response policy zones."""

from pathlib import Path

import pytest

from blocklists.formats import rpz
from blocklists.formats.items import LONG, MAX_LINE, Item
from blocklists.formats.known import WRITERS, Format, written
from blocklists.formats.rpz import (
    DIRECTIVE,
    EVERYTHING,
    MAX_RECORD_LINES,
    NO_OWNER,
    NO_RECORD,
    NOT_CLOSED,
    OTHER_ACTION,
    OUTSIDE,
    OWN_DATA,
    TRIGGER,
    UNKNOWN_ZONE,
)
from dnsfilter.wire.names import parse_name
from tests.support.components import component
from tests.support.read_names import joined, read_rows

SOA = "SOA ns.example. admin.example. ( 1 ; serial\n 3600 600\n 604800 60 )"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a.example CNAME .", ["=a.example"]),
        ("A.Example 300 IN CNAME .", ["=a.example"]),
        ("a.example IN 1h30m CNAME .", ["=a.example"]),
        ("*.a.example CNAME .", ["a.example"]),
        ("a.example CNAME *.", ["=a.example"]),
        ("a.example CNAME rpz-drop.", ["=a.example"]),
        ("a.example CNAME rpz-passthru.", ["+=a.example"]),
        ("*.a.example CNAME RPZ-PASSTHRU.", ["+a.example"]),
        ("a.example. CNAME .", ["=a.example"]),
        ("a.example CNAME . ; a comment", ["=a.example"]),
        ("; a comment\n\n", []),
        (f"$TTL 60\n@ {SOA}\n NS localhost.\na.example CNAME .", ["=a.example"]),
        (f"rpz.example. {SOA}\na.example.rpz.example. CNAME .", ["=a.example"]),
        (
            f"$ORIGIN rpz.example.\n@ {SOA}\na.example CNAME .\n$ORIGIN org.rpz.example.\nb CNAME .",
            ["=a.example", "=b.org"],
        ),
        (f"$ORIGIN rpz.example.\n@ {SOA}\n$ORIGIN org\nb CNAME .", ["=b.org"]),
        (f"$ORIGIN .\nrpz.example {SOA}\na.example.rpz.example CNAME .", ["=a.example"]),
        ("$ORIGIN rpz.example.\na.example CNAME .", ["=a.example"]),
        ("$ORIGIN .\na.example CNAME .", ["=a.example"]),
        ("a.example (\n CNAME\n . )\nb.example CNAME .", ["=a.example", "=b.example"]),
        (f"rpz.example. {SOA}\na.example.org. CNAME .", [f"4: a.example.org. CNAME . {OUTSIDE}"]),
        (f"@ {SOA}\na.example.org. CNAME .", [f"4: a.example.org. CNAME . {UNKNOWN_ZONE}"]),
        ("a.example CNAME rpz-tcp-only.", [f"1: a.example CNAME rpz-tcp-only. {OTHER_ACTION}"]),
        ("a.example CNAME garden.example.", [f"1: a.example CNAME garden.example. {OWN_DATA}"]),
        ("a.example A 192.0.2.1", [f"1: a.example A 192.0.2.1 {OWN_DATA}"]),
        ('a.example TXT "b ; ( c"', [f'1: a.example TXT "b ; ( c" {OWN_DATA}']),
        ("24.0.2.0.192.rpz-ip CNAME .", [f"1: 24.0.2.0.192.rpz-ip CNAME . {TRIGGER}"]),
        ("ns.example.rpz-nsdname CNAME .", [f"1: ns.example.rpz-nsdname CNAME . {TRIGGER}"]),
        ("* CNAME .", [f"1: * CNAME . {EVERYTHING}"]),
        ("@ CNAME .", [f"1: @ CNAME . {EVERYTHING}"]),
        ("$INCLUDE more", [f"1: $INCLUDE more {DIRECTIVE}"]),
        ("$GENERATE 1-9 a$ CNAME .", [f"1: $GENERATE 1-9 a$ CNAME . {DIRECTIVE}"]),
        ("a.example", [f"1: a.example {NO_RECORD}"]),
        ("a.example CNAME", [f"1: a.example CNAME {NO_RECORD}"]),
        (" CNAME .", [f"1: CNAME . {NO_OWNER}"]),
        ("a..example CNAME .", ["1: a..example has an empty label"]),
        ("a.example CNAME . (", [f"1: a.example CNAME . {NOT_CLOSED}"]),
        ("x (" + "\n1" * MAX_RECORD_LINES + "\na.example CNAME .", [f"1: x{' 1' * 39}… {NOT_CLOSED}", "=a.example"]),
        ("; " * MAX_LINE, [f"1: {('; ' * 40)[:79]}… {LONG}"]),
    ],
)
def test_a_record_is_a_name_or_a_skip_with_its_reason(text: str, rows: list[str]) -> None:
    assert read_rows(Format.RPZ, text) == rows


@pytest.mark.parametrize(("exact", "rows"), [(True, ["=a.example", "b.example"]), (False, ["a.example", "b.example"])])
def test_names_without_a_wildcard_cover_those_below_on_request(exact: bool, rows: list[str]) -> None:
    assert read_rows(Format.RPZ, "a.example CNAME .\n*.b.example CNAME .", exact) == rows


def test_kzonecheck_accepts_what_is_written(tmp_path: Path) -> None:
    items = [
        Item(1, parse_name("a.example"), False),
        Item(2, parse_name("b.example"), True),
        Item(3, parse_name("c.a.example"), False, True),
        Item(4, parse_name("_d.a.example"), True, True),
    ]
    zone = "\n".join(written(Format.RPZ, items, "A remark", 7, []))
    assert joined(WRITERS[Format.RPZ].line(item) for item in items[2:]) == [
        "c.a.example CNAME rpz-passthru.",
        "*.c.a.example CNAME rpz-passthru.",
        "_d.a.example CNAME rpz-passthru.",
    ]
    path = tmp_path / "zone"
    path.write_text(f"{zone}\n")
    done = component("kzonecheck").run("-o", "rpz.example", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert rpz.rpz_head(7) in zone
