"""Lists from bytes and files: counts, skips and bounds."""

from pathlib import Path

import pytest

from blocklists import list_file
from blocklists.formats.items import ADDRESS, Item, Skip
from blocklists.formats.known import Format
from blocklists.list_file import load_list, read_list
from dnsfilter.errors import ListError
from dnsfilter.wire.names import parse_name

TEXT = b"\xef\xbb\xbf! title\n||a.example^\n||b.a.example^\n||192.0.2.1^\n@@||c.example^\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_list_is_read_and_counted_in_any_chunks(size: int) -> None:
    watched: list[Item] = []
    found = read_list([TEXT[start : start + size] for start in range(0, len(TEXT), size)], watch=watched.append)
    assert (found.format, found.lines, found.items, found.merged) == (Format.ADBLOCK, 5, 3, 1)
    assert found.names.domains == {parse_name("a.example")}
    assert found.names.allowed_domains == {parse_name("c.example")}
    assert found.skips == [Skip(4, "192.0.2.1", ADDRESS)]
    assert (found.skipped, found.unreadable) == ({ADDRESS: 1}, 1)
    assert [each.line for each in watched] == [2, 3, 5]


def test_the_format_and_the_meaning_of_names_can_be_given() -> None:
    found = read_list([b"a.example\nb.a.example\n"], Format.DOMAINS, exact=True)
    assert found.names.hosts == {parse_name("a.example"), parse_name("b.a.example")}
    assert len(read_list([b""], Format.DOMAINS).names) == 0


def test_all_skips_are_counted_and_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_file, "MAX_SKIPS", 2)
    found = read_list([b"a.example\n" + b"192.0.2.1\n" * 5], Format.DOMAINS)
    assert (len(found.skips), found.skipped) == (2, {ADDRESS: 5})


def test_too_many_names_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_file, "MAX_NAMES", 2)
    assert read_list([b"a.example\na.example\n"]).items == 2
    with pytest.raises(ListError, match="more than 2 names"):
        read_list([b"a.example\na.example\na.example\n"])


def test_a_file_is_read_with_progress(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(TEXT)
    sizes: list[int] = []
    assert load_list(path, progress=sizes.append).items == 3
    assert sizes == [len(TEXT)]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="read list: Is a directory"):
        load_list(tmp_path)
