"""Bytes to lines, and files that are no lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats import text_lines
from blocklists.formats.items import MAX_LINE
from blocklists.formats.text_lines import demand_list, lines_of
from dnsfilter.errors import ListError


@given(text=st.text("aü\n\r\v\x85", max_size=30), size=st.integers(1, 5))
def test_lines_do_not_depend_on_the_chunks(text: str, size: int) -> None:
    data = text.encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    expected = text.split("\n")
    assert list(lines_of(chunks)) == (expected if expected[-1] else expected[:-1])


def test_an_endless_line_is_cut_but_stays_too_long() -> None:
    first, second = lines_of([*([b"\xc3\xbc" * 5000] * 9), b"\nexample.org\n"])
    assert MAX_LINE < len(first) < 6 * MAX_LINE
    assert second == "example.org"


def test_a_list_that_is_too_large_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "MAX_BYTES", 10)
    lines = lines_of([b"a.example\n", b"b"])
    assert next(lines) == "a.example"
    with pytest.raises(ListError, match="longer than 10 bytes"):
        next(lines)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\xef\xbb\xbf <!DOCTYPE html><html>", "a web page"),
        (b"\n<HTML lang=nl>", "a web page"),
        (b'<?xml version="1.0"?>', "XML"),
        (b'{"error": "not found"}', "JSON"),
        (b"\x1f\x8b\x08\x00", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (b"BZh91AY", "a bzip2 file"),
        (b"\xfd7zXZ\x00", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
        (b"%PDF-1.7", "a PDF document"),
        ("example.org".encode("utf-16"), "UTF-16 text"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\x7fELF\x00", "a binary file"),
    ],
)
def test_what_is_no_list_is_refused_as_what_it_is(head: bytes, what: str) -> None:
    with pytest.raises(ListError, match=f"it is {what}"):
        demand_list(head)


@pytest.mark.parametrize("head", [b"", b"example.org", b"[Adblock Plus 2.0]", b"b\xfccher.example"])
def test_a_list_passes(head: bytes) -> None:
    demand_list(head)
