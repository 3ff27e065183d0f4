"""Charts as SVG: counts over time, and times in force. Pure. Each has a title and a description for screen readers.

They need no colour: series differ in their pattern, so that a black-and-white print is readable.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 680
LEFT, RIGHT, TOP = 56, 8, 10
BARS_HEIGHT, LABELS_HEIGHT = 150, 34
BAND, BAND_GAP, NAMES_WIDTH = 16, 8, 120
HIDDEN_HEIGHT = 3
"""Height of a number that is not shown."""
MOST_LABELS = 8
FILLS = ("full", "lines", "empty", "dots")
"""Fills of series or bands, in order; defined in `DEFINITIONS` and in the style of the page."""
DEFINITIONS = (
    '<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="lines" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="5" height="5" fill="#fff"/><rect width="2.4" height="5" fill="#12508c"/></pattern>'
    '<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect width="4" height="4" fill="#fff"/><circle cx="2" cy="2" r="1" fill="#12508c"/></pattern>'
    "</defs></svg>"
)


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
    """A row of a chart of times: spans from 0 to 1, each with the place of its fill in `FILLS` and its tooltip."""

    name: str
    spans: Sequence[tuple[float, float, int, str]]


def bars(caption: Caption, labels: Sequence[str], series: Sequence[Series], number: Callable[[int], str]) -> str:
    """Return a chart of stacked bars, one for each label. `number` formats one of the scale."""
    most = max((sum(filter(None, stack)) for stack in zip(*(each.numbers for each in series), strict=True)), default=0)
    top = _round_up(most)
    height = TOP + BARS_HEIGHT + LABELS_HEIGHT
    return _svg(
        caption,
        height + 20,
        [
            *_grid(top, number),
            *_stacks(labels, series, top),
            *_bar_labels(labels),
            *_legend([each.name for each in series], height + 8),
        ],
    )


def times(
    caption: Caption, bands: Sequence[Band], ticks: Sequence[tuple[float, str]], legend: Sequence[str], reach: float = 1
) -> str:
    """Return a chart of times: a row for each band. `ticks` are labels at places from 0 to 1.

    Rows end at `reach`: nothing is known of the time after it.
    """
    width, bottom = WIDTH - NAMES_WIDTH - RIGHT, TOP + len(bands) * (BAND + BAND_GAP)
    parts = []
    for row, band in enumerate(bands):
        y = TOP + row * (BAND + BAND_GAP)
        parts.append(f'<text x="0" y="{y + 12}">{escape(band.name)}</text>')
        ground = f'x="{NAMES_WIDTH}" y="{y}" width="{reach * width:.1f}" height="{BAND}"'
        parts.append(f'<rect class="ground" {ground}/>')
        for start, end, fill, words in band.spans:
            size = max(1.5, (end - start) * width)
            place = min(NAMES_WIDTH + start * width, NAMES_WIDTH + width - size)
            parts.append(
                f'<rect class="{FILLS[fill]}" x="{place:.1f}" y="{y}" width="{size:.1f}" height="{BAND}">'
                f"<title>{escape(words)}</title></rect>"
            )
    for place, words in ticks:
        x = NAMES_WIDTH + place * width
        parts.append(f'<line class="tick" x1="{x:.1f}" y1="{bottom - BAND_GAP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="{_anchor(place)}">{escape(words)}</text>')
    parts += _legend(legend, bottom + 32, NAMES_WIDTH)
    return _svg(caption, bottom + 36, parts)


def _svg(caption: Caption, height: int, parts: Sequence[str]) -> str:
    key = escape(caption.key)
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{escape(caption.title)}</title>'
        f'<desc id="{key}-desc">{escape(caption.description)}</desc>{"".join(parts)}</svg>'
    )


def _grid(top: int, number: Callable[[int], str]) -> Iterator[str]:
    for part in (0, 1, 2):
        y = TOP + BARS_HEIGHT * (1 - part / 2)
        yield f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{escape(number(top * part // 2))}</text>'


def _stacks(labels: Sequence[str], series: Sequence[Series], top: int) -> Iterator[str]:
    step = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    for place, label in enumerate(labels):
        x, y = LEFT + place * step, float(TOP + BARS_HEIGHT)
        for fill, each in zip(FILLS, series, strict=False):
            found = each.numbers[place]
            size = HIDDEN_HEIGHT if found is None else BARS_HEIGHT * found / top
            if size == 0:
                continue
            y -= size
            yield (
                f'<rect class="{fill}" x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" '
                f'height="{size:.1f}"><title>{escape(f"{label}: {each.name} {each.texts[place]}")}</title></rect>'
            )


def _bar_labels(labels: Sequence[str]) -> Iterator[str]:
    step, every = (WIDTH - LEFT - RIGHT) / max(1, len(labels)), -(-len(labels) // MOST_LABELS)
    for place in range(0, len(labels), max(1, every)):
        x, y = LEFT + (place + 0.5) * step, TOP + BARS_HEIGHT
        yield f'<line class="tick" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 4}"/>'
        yield f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle">{escape(labels[place])}</text>'


def _legend(names: Sequence[str], y: int, left: int = LEFT) -> Iterator[str]:
    x = float(left)
    for fill, name in zip(FILLS, names, strict=False):
        yield f'<rect class="{fill}" x="{x:.0f}" y="{y - 9}" width="14" height="10"/>'
        yield f'<text x="{x + 20:.0f}" y="{y}">{escape(name)}</text>'
        x += 36 + 6.5 * len(name)


def _anchor(place: float) -> str:
    return "start" if place < 0.05 else "end" if place > 0.95 else "middle"


def _round_up(most: int) -> int:
    """Return a round number that is not below `most`, and at least 10."""
    size = 1
    while True:
        for factor in (10, 12, 16, 20, 30, 40, 50, 60, 80):
            if size * factor >= most:
                return size * factor
        size *= 10
