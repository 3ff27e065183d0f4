"""Reports in a browser: each page prints on A4 and shows in a window, in all four languages."""

import struct
import zlib
from pathlib import Path

import pytest

from api.report.pages.html_page import html_page
from api.report.schemas import Language, ReportRead
from tests.support.components import component
from tests.support.pdf import A4, page_sizes

pytestmark = pytest.mark.slow
WINDOW = (900, 1600)
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-pdf-header-footer",
    f"--window-size={WINDOW[0]},{WINDOW[1]}",
)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("made", ["ghent", "brussels"])
def test_a_report_prints_on_a4_and_shows_in_a_window(
    made: str, language: Language, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    report: ReportRead = request.getfixturevalue(made)
    page, printed, shown = tmp_path / "report.html", tmp_path / "report.pdf", tmp_path / "report.png"
    page.write_text(html_page(report, language), encoding="utf-8")
    options = (
        *_OPTIONS,
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--print-to-pdf={printed}",
        f"--screenshot={shown}",
    )
    done = component("chromium").run(*options, page.as_uri())
    assert printed.exists(), done.stderr
    assert shown.exists(), done.stderr
    pages = page_sizes(printed.read_bytes())
    assert len(pages) >= 4
    assert set(pages) == {A4}
    width, height, rows = _picture(shown.read_bytes())
    assert (width, height) == WINDOW
    assert len(set(rows)) > height // 10, "the picture has text and charts"


def _picture(png: bytes) -> tuple[int, int, list[bytes]]:
    """Return width, height and the filtered rows of a PNG file."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    offset, found = 8, {b"IHDR": b"", b"IDAT": b""}
    while offset < len(png):
        (size,) = struct.unpack(">I", png[offset : offset + 4])
        kind, content = png[offset + 4 : offset + 8], png[offset + 8 : offset + 8 + size]
        found[kind] = found.get(kind, b"") + content
        offset += size + 12
    width, height = struct.unpack(">II", found[b"IHDR"][:8])
    pixels = zlib.decompress(found[b"IDAT"])
    step = len(pixels) // height
    return width, height, [pixels[row * step : (row + 1) * step] for row in range(height)]
