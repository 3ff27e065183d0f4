"""A picture of a comparison: bars of the CPU time of a query, for each case and server, as SVG."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD = 760, 110, 70, 16, 30, 34
MOST = 5
FILLS = {"ours": "#0b6bcb", "other": "#9aa5b1"}
_ROOT = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {{height}}" role="img" font-family="sans-serif">'


def bars(title: str, cases: Sequence[tuple[str, Mapping[str, float]]], ours: str) -> str:
    """Return a group of bars for each case: microseconds by server, to the case's scale. It ends at MOST times ours."""
    shapes, top = [_text(0, 18, title, "bold")], HEAD
    for heading, servers in cases:
        top += GAP
        most = min(max(servers.values()), MOST * servers[ours])
        shapes.append(_text(0, top - 8, heading, "bold"))
        for name, value in servers.items():
            length = (WIDTH - LEFT - RIGHT) * min(value, most) / most
            fill = FILLS["ours" if name == ours else "other"]
            shapes.append(f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 4}" fill="{fill}"/>')
            shapes += [_text(10, top + BAR - 6, name), _text(LEFT + length + 6, top + BAR - 6, _value(value, most))]
            top += BAR
    root = _ROOT.format(height=top + 10)
    return "\n".join(
        [
            root,
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{top + 10}" fill="#fff"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def _value(value: float, most: float) -> str:
    return f"{value:.2f}" if value <= most else f"{value:.2f} …"


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y}" font-size="12" font-weight="{weight}" fill="#1b2733">{escape(text)}</text>'
