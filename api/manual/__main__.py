"""Write the manual: `python -m api.manual pages docs/reference`, or `python -m api.manual man DIRECTORY`."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from api.manual.markdown import update_page
from api.manual.programs import manuals, references
from api.manual.roff import man_page
from dnsfilter import __version__


def main(what: str, directory: Path) -> None:
    """Write the pages of the site, or the man pages below `man1` and `man8`."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    date = f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}" if seconds else ""
    for manual in manuals():
        name = manual.program.name
        if what == "pages":
            page = directory / f"{name}.md"
            page.write_text(update_page(page.read_text(encoding="utf-8"), manual), encoding="utf-8")
        else:
            page = directory / f"man{manual.chapter}" / f"{name}.{manual.chapter}"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(man_page(manual, __version__, date, references(manual)), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("pages", "man"):
        sys.exit("usage: python -m api.manual pages|man DIRECTORY")
    main(sys.argv[1], Path(sys.argv[2]))
