"""Tables of ranges: what spreadsheets and programs write, and which faults are on which line."""

import pytest

from api.range_import.csv_table import parse_table
from dnsfilter.policy.model import Range

HEADER = "prefix,authority,funding,audience,label\n"


def _values(text: str) -> list[tuple[int, str, str, str]]:
    table = parse_table(text, "default")
    assert table.faults == ()
    return [(row.line, str(row.value.prefix), row.value.label, row.value.site) for row in table.rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{HEADER}192.0.2.0/24,town,public,staff,"a, b"\n', [(2, "192.0.2.0/24", "a, b", "default")]),
        (f'{HEADER}\n\r\n192.0.2.0/24,town,public,staff,"a ""b"""', [(4, "192.0.2.0/24", 'a "b"', "default")]),
        (f"{HEADER} 192.0.2.7 , town ,public,staff, hall \r", [(2, "192.0.2.7/32", "hall", "default")]),
        ("Prefix;AUTHORITY;funding;audience\n192.0.2.0/24;town;public;staff", [(2, "192.0.2.0/24", "", "default")]),
        (
            "site,prefix,authority,funding,audience\n,2001:DB8::/32,town,public,staff\ndepot,::/0,town,public,staff\n",
            [(2, "2001:db8::/32", "", "default"), (3, "::/0", "", "depot")],
        ),
        (
            f"{HEADER.replace(',', chr(9))}192.0.2.0/24\ttown\tpublic\tstaff\ta, b; c\r\n",
            [(2, "192.0.2.0/24", "a, b; c", "default")],
        ),
        (HEADER, []),
    ],
)
def test_tables_of_common_programs_are_read(text: str, expected: list[tuple[int, str, str, str]]) -> None:
    assert _values(text) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('192.0.2.0/24,town,public,staff,"open', "cannot be read as CSV"),
        ('192.0.2.0/24,town,public,staff,"a"b', "cannot be read as CSV"),
        ("192.0.2.0/24,Town,public,staff,", "authority: 'Town' is not a short name"),
        ("192.0.2.0/24,,public,staff,", "authority: is missing"),
        ("192.0.2.0/24,town,public,staff,a\u2028b", "label: has a line break"),
        ("192.0.2.0/24,town,public,staff,a\u202eb", "label: has an invisible character: U+202E"),
        (f"192.0.2.0/24,town,public,staff,{'x' * 201}", "label: is longer than 200"),
        (f"{'9' * 500},town,public,staff,", "is not a prefix"),
        ("::ffff:192.0.2.0/120,town,public,staff,", "is IPv4-mapped"),
        ("1.2.3.4/8,town,free,cats,", "write 1.0.0.0/8; funding: 'free' is not one of"),
    ],
)
def test_a_bad_row_is_a_fault_with_its_line_and_the_next_is_read(row: str, message: str) -> None:
    table = parse_table(f"{HEADER}\n{row}\n", "default")
    [fault] = table.faults
    assert (fault.location, message in fault.message, table.rows) == ("line 3", True, ()), fault.message
    assert len(fault.message) < 300
    if "open" not in row:
        following = parse_table(f"{HEADER}{row}\n192.0.2.0/25,town,public,staff,\n", "default")
        assert [found.line for found in following.rows] == [3]


def test_repeated_prefix_is_a_fault_unless_the_sites_differ() -> None:
    text = "prefix,authority,funding,audience,site\n" + "192.0.2.0/24,town,public,staff,{}\n" * 3
    assert len(parse_table(text.format("a", "b", "c"), "default").rows) == 3
    table = parse_table(text.format("a", "", "default"), "default")
    assert [(fault.location, "repeats line 3" in fault.message) for fault in table.faults] == [("line 4", True)]


def test_rows_beyond_the_limit_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.range_import.csv_table.MAX_ROWS", 3)
    rows = "".join(f"192.0.2.{last}/32,town,public,staff,\n" for last in range(10))
    table = parse_table(HEADER + rows, "default")
    assert (len(table.rows), [fault.location for fault in table.faults]) == (3, ["line 5"])


def test_progress_is_reported_while_rows_are_read() -> None:
    counts: list[int] = []
    rows = "".join(f"10.0.{i >> 8}.{i & 255}/32,town,public,staff,\n" for i in range(2_100))
    table = parse_table(HEADER + rows, "default", counts.append)
    assert counts == [0, 1_000, 2_000]
    assert isinstance(table.rows[0].value, Range)
