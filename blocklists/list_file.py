"""Read a list of names from bytes or a file: its format, its names, and each line that was skipped."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from blocklists.formats.items import Item, Skip
from blocklists.formats.known import READERS, Format, detect
from blocklists.formats.text_lines import BOM, HEAD_BYTES, demand_list, lines_of
from blocklists.name_list import NameList, merge
from dnsfilter.errors import ListError

MAX_NAMES = 2_000_000
"""Maximum number of names in a list, before merging."""
MAX_SKIPS = 10_000
"""Maximum number of skips that are kept with their reasons. All are counted."""
CHUNK_BYTES = 1 << 18


@dataclass(slots=True)
class ReadList:
    """A list as read. `items` counts names and exceptions before merging, `skipped` the skips of each reason."""

    format: Format
    lines: int = 0
    items: int = 0
    names: NameList = field(default_factory=NameList)
    skips: list[Skip] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def unreadable(self) -> int:
        """Return how many skips there are. Exceptions are none: they can be read (`NameList.tier` has their effect)."""
        return self.skipped.total()

    @property
    def merged(self) -> int:
        """Return how many items were given twice, or covered or freed by another."""
        kept = self.names
        return self.items - len(kept) - len(kept.allowed_domains) - len(kept.allowed_hosts)


def read_list(
    chunks: Iterable[bytes],
    known: Format | None = None,
    exact: bool | None = None,
    watch: Callable[[Item], object] | None = None,
) -> ReadList:
    """Read a list. Without `known`, find its format. `exact` overrides what names in that format mean.

    Call `watch` for each item. Raise ListError for what is no list, or too long.
    """
    rest = iter(chunks)
    head = bytearray()
    for chunk in rest:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    start = bytes(head)
    demand_list(start)
    start = start.removeprefix(BOM)
    found = ReadList(detect(list(lines_of([start]))) if known is None else known)
    lines = _counted(lines_of(chain([start], rest)), found)
    found.names = merge(_items(READERS[found.format](lines, exact), found, watch))
    return found


def read_content(content: bytes, known: Format | None = None, exact: bool | None = None) -> ReadList:
    """Read a list as `read_list` does. Raise ListError for one without names, too."""
    chunks = (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))
    found = read_list(chunks, known, exact)
    if not len(found.names):
        raise ListError(f"no name in {found.lines} lines of format {found.format}: check the format")
    return found


def load_list(
    path: Path,
    known: Format | None = None,
    exact: bool | None = None,
    watch: Callable[[Item], object] | None = None,
    progress: Callable[[int], object] | None = None,
) -> ReadList:
    """Read a list from a file, as `read_list` does. Call `progress` with the number of bytes read so far."""
    try:
        with path.open("rb") as stream:
            return read_list(_chunks(iter(lambda: stream.read(CHUNK_BYTES), b""), progress), known, exact, watch)
    except OSError as error:
        raise ListError(f"read list: {error.strerror}") from error


def _chunks(chunks: Iterable[bytes], progress: Callable[[int], object] | None) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if progress is not None:
            progress(size)
        yield chunk


def _counted(lines: Iterable[str], found: ReadList) -> Iterator[str]:
    for line in lines:
        found.lines += 1
        yield line


def _items(parsed: Iterable[Item | Skip], found: ReadList, watch: Callable[[Item], object] | None) -> Iterator[Item]:
    """Yield the items. Count them and the skips."""
    for each in parsed:
        if isinstance(each, Skip):
            found.skipped[each.reason] += 1
            if len(found.skips) < MAX_SKIPS:
                found.skips.append(each)
            continue
        found.items += 1
        if found.items > MAX_NAMES:
            raise ListError(f"read list: it has more than {MAX_NAMES} names. Divide it into smaller lists")
        if watch is not None:
            watch(each)
        yield each
