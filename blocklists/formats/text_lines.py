"""Bytes to lines, in bounded memory, and whether they are a list of names at all."""

from collections.abc import Iterable, Iterator
from typing import Final

from blocklists.formats.items import MAX_LINE
from dnsfilter.errors import ListError

MAX_BYTES: Final = 1 << 27
"""Maximum size of a list."""
HEAD_BYTES: Final = 1 << 16
"""Number of leading bytes by which a file is recognised."""
BOM: Final = b"\xef\xbb\xbf"
_KEPT: Final = 4 * (MAX_LINE + 1)
"""Bytes that hold more characters than a line may have."""
_BEGINNINGS: Final = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<head": "a web page",
    b"<!--": "a web page",
    b"<?xml": "XML",
    b"{": "JSON",
    b"\x1f\x8b": "a gzip file: unpack it",
    b"pk\x03\x04": "a zip file: unpack it",
    b"bzh": "a bzip2 file: unpack it",
    b"\xfd7zxz": "an xz file: unpack it",
    b"(\xb5/\xfd": "a Zstandard file: unpack it",
    b"%pdf-": "a PDF document",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself",
}


def demand_list(head: bytes) -> None:
    """Raise ListError if the first bytes of a file are those of something else than a list of names."""
    begun = head.removeprefix(BOM).lstrip()[:32].lower()
    for beginning, what in _BEGINNINGS.items():
        if begun.startswith(beginning):
            raise ListError(f"read list: it is {what}. Give a text file with one name or rule per line")
    if b"\0" in head:
        raise ListError("read list: it is a binary file. Give a text file with one name or rule per line")


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines. Bytes that are not UTF-8 become lone surrogates. Raise ListError after too many bytes.

    A line that is too long is cut, but stays longer than `MAX_LINE`.
    """
    size = 0
    rest = b""
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise ListError(f"read list: it is longer than {MAX_BYTES} bytes. Divide it into smaller lists")
        complete, newline, rest = (rest + chunk).rpartition(b"\n")
        rest = rest[:_KEPT]
        if newline:
            yield from complete.decode(errors="surrogateescape").split("\n")
    if rest:
        yield rest.decode(errors="surrogateescape")
