"""Shapes of charts: counts over time, and times in force. Pure.

They need no colour: series differ in their pattern, so that a black-and-white print is readable.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from api.report.pages.content import Chart, Shape

WIDTH = 680
LEFT, RIGHT, TOP = 56, 8, 10
BARS_HEIGHT, LABELS_HEIGHT = 150, 34
BAND, BAND_GAP, NAMES_WIDTH = 16, 8, 120
HIDDEN_HEIGHT = 3
"""Height of a number that is not shown."""
MOST_LABELS = 8
FILLS = ("full", "lines", "empty", "dots")
"""Fills of series or bands, in order; defined in the style of the page."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series of numbers, one for each bar, with their texts. None is a number that is not shown."""

    name: str
    numbers: Sequence[int | None]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Caption:
    """The title and the description of a chart. `key` is unique in a page."""

    key: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Band:
    """A row of a chart of times: spans from 0 to 1, each with the index of its fill in `FILLS` and its tip."""

    name: str
    spans: Sequence[tuple[float, float, int, str]]


def bars(caption: Caption, labels: Sequence[str], series: Sequence[Series], number: Callable[[int], str]) -> Chart:
    """Return a chart of stacked bars, one for each label. `number` formats one of the scale."""
    most = max((sum(filter(None, stack)) for stack in zip(*(each.numbers for each in series), strict=True)), default=0)
    top, height = _round_up(most), TOP + BARS_HEIGHT + LABELS_HEIGHT
    shapes = [
        *_grid(top, number),
        *_stacks(labels, series, top),
        *_bar_labels(labels),
        *_legend([each.name for each in series], height + 8),
    ]
    return _chart(caption, height + 20, shapes)


def times(
    caption: Caption, bands: Sequence[Band], ticks: Sequence[tuple[float, str]], legend: Sequence[str], reach: float = 1
) -> Chart:
    """Return a chart of times: a row for each band. `ticks` are labels at positions from 0 to 1.

    Rows end at `reach`: nothing is known of the time after it.
    """
    width, bottom = WIDTH - NAMES_WIDTH - RIGHT, TOP + len(bands) * (BAND + BAND_GAP)
    shapes = []
    for row, band in enumerate(bands):
        y = TOP + row * (BAND + BAND_GAP)
        shapes.append(_text(0, y + 12, band.name))
        shapes.append(_rectangle("ground", NAMES_WIDTH, y, reach * width, BAND))
        for start, end, fill, tip in band.spans:
            size = max(1.5, (end - start) * width)
            x = min(NAMES_WIDTH + start * width, NAMES_WIDTH + width - size)
            shapes.append(_rectangle(FILLS[fill], x, y, size, BAND, tip))
    for position, label in ticks:
        x = NAMES_WIDTH + position * width
        shapes.append(_line("tick", x, bottom - BAND_GAP, x, bottom))
        shapes.append(_text(x, bottom + 12, label, _anchor(position)))
    shapes += _legend(legend, bottom + 32, NAMES_WIDTH)
    return _chart(caption, bottom + 36, shapes)


def _chart(caption: Caption, height: int, shapes: Sequence[Shape]) -> Chart:
    return Chart(caption.key, caption.title, caption.description, (WIDTH, height), shapes)


def _rectangle(fill: str, x: float, y: float, width: float, height: float, tip: str = "") -> Shape:
    numbers = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    return Shape("rect", {"class": fill, **numbers}, tip=tip)


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> Shape:
    numbers = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return Shape("line", {"class": style, **numbers})


def _text(x: float, y: float, text: str, anchor: str = "start") -> Shape:
    return Shape("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}, text)


def _grid(top: int, number: Callable[[int], str]) -> Iterator[Shape]:
    for part in (0, 1, 2):
        y = TOP + BARS_HEIGHT * (1 - part / 2)
        yield _line("grid", LEFT, y, WIDTH - RIGHT, y)
        yield _text(LEFT - 6, y + 3, number(top * part // 2), "end")


def _stacks(labels: Sequence[str], series: Sequence[Series], top: int) -> Iterator[Shape]:
    step = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    for index, label in enumerate(labels):
        x, y = LEFT + index * step, float(TOP + BARS_HEIGHT)
        for fill, each in zip(FILLS, series, strict=False):
            found = each.numbers[index]
            size = HIDDEN_HEIGHT if found is None else BARS_HEIGHT * found / top
            if size:
                y -= size
                tip = f"{label}: {each.name} {each.texts[index]}"
                yield _rectangle(fill, x + step * 0.12, y, step * 0.76, size, tip)


def _bar_labels(labels: Sequence[str]) -> Iterator[Shape]:
    step, every = (WIDTH - LEFT - RIGHT) / max(1, len(labels)), -(-len(labels) // MOST_LABELS)
    for index in range(0, len(labels), max(1, every)):
        x, y = LEFT + (index + 0.5) * step, TOP + BARS_HEIGHT
        yield _line("tick", x, y, x, y + 4)
        yield _text(x, y + 16, labels[index], "middle")


def _legend(names: Sequence[str], y: int, left: int = LEFT) -> Iterator[Shape]:
    x = float(left)
    for fill, name in zip(FILLS, names, strict=False):
        yield _rectangle(fill, x, y - 9, 14, 10)
        yield _text(x + 20, y, name)
        x += 36 + 6.5 * len(name)


def _anchor(position: float) -> str:
    return "start" if position < 0.05 else "end" if position > 0.95 else "middle"


def _round_up(most: int) -> int:
    """Return a round number that is not below `most`, and at least 10."""
    size = 1
    while True:
        for factor in (10, 12, 16, 20, 30, 40, 50, 60, 80):
            if size * factor >= most:
                return size * factor
        size *= 10
