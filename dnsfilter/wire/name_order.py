"""Sort many names in short steps. Sorting a million at once would keep all other threads waiting for a second."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

_PREFIX = 4

Name = TypeVar("Name", str, bytes)


def in_order(names: Iterable[Name]) -> Iterator[Name]:
    """Yield the names in the order of `sorted`."""
    parts: dict[Name, list[Name]] = {}
    for name in names:
        prefix = name[:_PREFIX]
        part = parts.get(prefix)
        if part is None:
            parts[prefix] = [name]
        else:
            part.append(name)
    for prefix in sorted(parts):
        yield from sorted(parts[prefix])
