"""Domain names: text to wire and back, relations, and reading them from messages."""

import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire import names
from dnsfilter.wire.names import HopBudget, parse_name, read_name, skip_name
from tests.unit.wire.build import noise, wire_names

HEADER = bytes(12)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\0"),
        ("org", b"\x03org\0"),
        ("Example.ORG.", b"\x07example\x03org\0"),
        (r"tiktok\.com", b"\x0atiktok.com\0"),
        (r"a\000b.c", b"\x03a\0b\x01c\0"),
        (r"\255\065", b"\x02\xffa\0"),
        (r"a\\.b", b"\x02a\\\x01b\0"),
        (r"a\..", b"\x02a.\0"),
        (r"a\..b", b"\x02a.\x01b\0"),
        ("_sip._tcp.example.org", b"\x04_sip\x04_tcp\x07example\x03org\0"),
        ("a" * 63, b"\x3f" + b"a" * 63 + b"\0"),
    ],
)
def test_text_becomes_a_folded_wire_name(text: str, wire: bytes) -> None:
    assert parse_name(text) == wire


@pytest.mark.parametrize(
    "text",
    [
        *("", "..", ".a", "a..b", "a..", "a b", "a\n", "a\t.b", "\x7f", "é.be", "a" * 64, ".".join(["a" * 63] * 4)),
        *("\\", "a\\", r"\256", r"\12", r"\1.a", r"\a..", r"\a..b"),
    ],
)
def test_invalid_name_is_quoted_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="parse name") as caught:
        parse_name(text)
    assert repr(text) in str(caught.value)


def test_the_longest_name_has_255_bytes() -> None:
    longest = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert len(parse_name(longest)) == 255
    with pytest.raises(ValueError, match="longer than 255"):
        parse_name(longest + "a")


@given(wire_names)
@example(b"\x0atiktok.com\0")
@example(b"\x01\\\x01.\x011\0")
def test_a_wire_name_survives_its_text(name: bytes) -> None:
    text = names.name_text(name)
    assert text.isascii()
    assert text.isprintable()
    assert parse_name(text) == name.lower()
    assert dns.name.from_text(text).to_wire() == name


@given(
    st.text(max_size=40).filter(lambda text: text != "@")
)  # In a zone file, "@" means the origin; here there is none.
def test_any_text_gives_a_name_or_a_value_error(text: str) -> None:
    try:
        name = parse_name(text)
    except ValueError:
        return
    assert dns.name.from_text(text).canonicalize().to_wire() == name


def test_suffixes_run_from_the_name_to_its_top_level_label() -> None:
    name = parse_name("www.example.org")
    assert names.suffixes(name) == (name, parse_name("example.org"), parse_name("org"))
    assert names.suffixes(names.ROOT) == ()


@given(wire_names)
def test_suffixes_parents_and_labels_agree(name: bytes) -> None:
    found = names.suffixes(name)
    assert len(found) == names.label_count(name)
    walked = name
    for suffix in found:
        assert suffix == walked
        assert names.is_at_or_below(name, suffix)
        walked = names.parent(walked)
    assert walked == names.ROOT == names.parent(names.ROOT)


@pytest.mark.parametrize(
    ("name", "zone", "expected"),
    [
        ("tiktok.com", "tiktok.com", True),
        ("www.tiktok.com", "tiktok.com", True),
        ("nottiktok.com", "tiktok.com", False),
        (r"x\.tiktok.com", "tiktok.com", False),
        ("tiktok.com.example.org", "tiktok.com", False),
        ("com", "tiktok.com", False),
        ("com", ".", True),
        (r"a\006tiktok\003com", "tiktok.com", False),
    ],
)
def test_below_means_on_a_label_boundary(name: str, zone: str, expected: bool) -> None:
    assert names.is_at_or_below(parse_name(name), parse_name(zone)) is expected


def test_a_name_is_read_with_its_case_and_the_offset_after_it() -> None:
    message = HEADER + b"\x03wWw\x02bE\0" + b"\x01a\xc0\x0c" + b"\xc0\x10" + b"\xff"
    hops = HopBudget()
    assert read_name(message, 12, hops) == (b"\x03wWw\x02bE\0", 20)
    assert read_name(message, 20, hops) == (b"\x01a\x03wWw\x02bE\0", 24)
    assert read_name(message, 24, hops) == (b"\x02bE\0", 26)
    assert hops.left == 510
    assert skip_name(message, 20) == 24


MALFORMED = [
    ("label type 01", b"\x41" + b"a" * 65 + b"\0", 0),
    ("label type 10", b"\x80a\0", 0),
    ("pointer to itself", b"\xc0\x0c", 0),
    ("pointer forward", b"\xc0\x0e\x01a\0", 0),
    ("pointer into its own labels", b"\x01a\xc0\x0c", 0),
    ("pointer into the header", b"\xc0\x02", 0),
    ("pointer cut short", b"\x01a\0\xc0", 3),
    ("labels cut short", b"\x03ab", 0),
    ("no end", b"\x01a", 0),
    ("nothing", b"", 0),
    ("labels of the target run into the name", b"\x05abc\x02de\xc0\x0c\0", 4),
    ("256 bytes", (b"\x3f" + b"a" * 63) * 4 + b"\0", 0),
    (
        "256 bytes by a pointer",
        (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0\x00\xc0\x0c" + b"\x01a\xc0\x0c",
        258,
    ),
]


@pytest.mark.parametrize(("data", "offset"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_malformed_names_are_rejected(data: bytes, offset: int) -> None:
    with pytest.raises(MalformedMessage):
        read_name(HEADER + data, 12 + offset, HopBudget())


def test_a_name_takes_sixteen_pointers_however_it_is_reached() -> None:
    # Pointers at 14, 16, 18 ... each lead to the one before. Reading them in order uses only remembered names.
    message = (
        HEADER + b"\x01\x61\x00\x00" + b"".join((0xC000 | at).to_bytes(2, "big") for at in [12, *range(16, 60, 2)])
    )
    for once in (True, False):
        hops = HopBudget(10_000)
        deepest = 16 + 2 * (names.MAX_HOPS_PER_NAME - 1)
        for offset in [deepest] if once else range(16, deepest + 2, 2):
            assert read_name(message, offset, hops)[0] == b"\x01a\0"
        with pytest.raises(MalformedMessage, match="more than 16 pointers"):
            read_name(message, deepest + 2, hops)


def test_the_budget_is_spent_by_pointers_and_never_refilled() -> None:
    message = HEADER + b"\x01a\0" + b"\xc0\x0c" * 5
    hops = HopBudget(4)
    for index in range(4):
        read_name(message, 15 + 2 * index, hops)
    with pytest.raises(MalformedMessage, match="too many pointers"):
        read_name(message, 23, hops)


@given(noise(HEADER + b"\x03www\x07example\x03org\0\x01a\xc0\x10\x01b\xc0\x1d"), st.integers(0, 60))
def test_independent_parser_reads_the_same_name(message: bytes, offset: int) -> None:
    try:
        name, end = read_name(message, offset, HopBudget())
    except MalformedMessage:
        return
    reference, used = dns.name.from_wire(message, offset)
    assert (reference.to_wire(), offset + used) == (name, end)
    assert skip_name(message, offset) == end
    assert len(name) <= 255


@given(wire_names, wire_names)
def test_any_compressed_name_is_read_back(first: bytes, second: bytes) -> None:
    message = HEADER + first + second[:-1] + b"\xc0\x0c"
    joined = second[:-1] + first
    if len(joined) > 255:
        with pytest.raises(MalformedMessage, match="longer than 255"):
            read_name(message, 12 + len(first), HopBudget())
    else:
        assert read_name(message, 12 + len(first), HopBudget()) == (joined, len(message))
