"""Files of sections: versions, unknown sections, and wrong bytes in every field."""

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.compiler import compile_names
from dnsfilter.snapshot.layout import ALIGNMENT, HEADER, PARTS, SECTION, VERSION, Kind, Part
from dnsfilter.snapshot.names_file import NameTable
from dnsfilter.snapshot.sections import Strings, read_file, write_file
from dnsfilter.wire.names import parse_name
from tests.support.policies import service

NAMES = compile_names((service("tiktok", ["tiktok.example"]),)).data


def changed(offset: int, data: bytes) -> bytes:
    return NAMES[:offset] + data + NAMES[offset + len(data) :]


def test_sections_start_at_cache_lines() -> None:
    assert all(offset % ALIGNMENT == 0 for _, _, offset, _ in table(NAMES))


def table(data: bytes) -> list[tuple[int, int, int, int]]:
    count = HEADER.unpack_from(data)[4]
    return [SECTION.unpack_from(data, HEADER.size + SECTION.size * number) for number in range(count)]


def test_an_unknown_section_is_skipped() -> None:
    count = HEADER.unpack_from(NAMES)[4]
    shift = SECTION.size
    sections = [(part, size, offset + shift, length) for part, size, offset, length in table(NAMES)]
    sections.append((999, 7, len(NAMES) + shift, 5))
    magic, kind, version, order, _, size, signature = HEADER.unpack_from(NAMES)
    header = HEADER.pack(magic, kind, version, order, count + 1, size + shift + 5, signature)
    body = NAMES[HEADER.size + SECTION.size * count :]
    names = NameTable(header + b"".join(SECTION.pack(*section) for section in sections) + body + b"later")
    assert len(names.match(parse_name("www.tiktok.example"))) == 1


def test_signature_in_the_header_is_accepted() -> None:
    assert NameTable(changed(HEADER.size - 64, b"s" * 64)).match(parse_name("tiktok.example"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "cut short", id="empty"),
        pytest.param(NAMES[: HEADER.size - 1], "cut short", id="header cut"),
        pytest.param(NAMES[:-1], "bytes instead of", id="end cut"),
        pytest.param(NAMES + b"\x00", "bytes instead of", id="longer"),
        pytest.param(changed(0, b"x"), "not a names file", id="magic"),
        pytest.param(changed(8, bytes([Kind.RULES])), "not a names file", id="another kind"),
        pytest.param(changed(10, bytes([VERSION + 1])), "version 2, this program reads 1", id="next version"),
        pytest.param(changed(10, b"\x00"), "version 0", id="version zero"),
        pytest.param(changed(12, b"\x0a\x0b\x0c\x0d"), "byte order", id="byte order"),
        pytest.param(changed(16, b"\xff\xff"), "bytes instead of", id="too many sections"),
        pytest.param(changed(16, b"\x04"), "lacks entries", id="one section fewer"),
        pytest.param(changed(HEADER.size, b"\x63"), "lacks", id="a section of another id"),
        pytest.param(changed(HEADER.size + 4, b"\x63"), "does not fit", id="record size"),
        pytest.param(changed(HEADER.size + 8, b"\xff" * 8), "does not fit", id="offset"),
        pytest.param(changed(HEADER.size + 16, b"\xff" * 8), "does not fit", id="length"),
    ],
)
def test_invalid_file_is_rejected(data: bytes, message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        NameTable(data)


def test_equal_strings_are_kept_once_and_the_empty_one_is_at_zero() -> None:
    strings = Strings()
    reference = strings.add("Gand été")
    assert strings.add("Gand été") == reference
    assert strings.add("") == 0
    parts = {part: bytes(size) for part, size in PARTS[Kind.RANGES].items()}
    parts[Part.STRINGS] = strings.data()
    section = read_file(Kind.RANGES, write_file(Kind.RANGES, parts).data)[Part.STRINGS]
    assert section.text(reference) == "Gand été"
    assert section.text(0) == ""
    with pytest.raises(SnapshotError, match="section strings of the ranges file"):
        section.text(len(strings.data()))


def test_a_text_beyond_its_length_field_is_refused() -> None:
    with pytest.raises(SnapshotError, match="65536 bytes"):
        Strings().add("x" * 65536)
