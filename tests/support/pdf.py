"""What tests read of a PDF file."""

import re

A4 = (595, 842)
"""The size of a page in points."""


def page_sizes(pdf: bytes) -> list[tuple[int, int]]:
    """Return the sizes of the pages of a PDF file in points."""
    assert pdf.startswith(b"%PDF-")
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    return [(round(float(width)), round(float(height))) for width, height in boxes]
