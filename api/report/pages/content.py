"""A report as sections of facts, charts and tables in one language, before it is written as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `numeric` are the indexes of its columns with numbers. `total` is a last row."""

    kind: ClassVar = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    total: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Pairs of a name and a value. `caption` may be empty."""

    kind: ClassVar = "facts"
    rows: Sequence[tuple[str, str]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """An element of a chart: `rect`, `line` or `text`, with its attributes in SVG. `tip` may be empty."""

    element: str
    attributes: Mapping[str, str]
    text: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `key` is unique in a page. The tables next to it have its numbers."""

    kind: ClassVar = "chart"
    key: str
    title: str
    description: str
    size: tuple[int, int]
    shapes: Sequence[Shape]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The one paragraph that a hurried reader reads."""

    kind: ClassVar = "conclusion"
    text: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A place to sign: names of lines to write on."""

    kind: ClassVar = "signature"
    lines: Sequence[str]


Part = str | Table | Facts | Chart | Conclusion | Signature
"""A part of a section. A text is a paragraph."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its title. `level` is 2 for a section of the page, 3 for one of a service.

    It is printed on a new page if `begins_page`.
    """

    title: str
    parts: Sequence[Part] = ()
    level: int = 2
    begins_page: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """A complete report in one language."""

    language: str
    title: str
    subtitle: str
    sections: Sequence[Section]
