"""Generate the reference in docs/dnsfilterctl.md: `python -m api.ctl.command_reference docs/dnsfilterctl.md`."""

import sys
from pathlib import Path

from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every

MARK = "<!-- Generated from the help texts by `python -m api.ctl.command_reference`; a test compares. -->"


def render_commands() -> str:
    """Return the help of every command, as Markdown."""
    return "".join(
        f"\n### {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n" for parser in every(make_parser())
    )


def update_page(page: str) -> str:
    """Return the page with the part after the mark generated again. Raise ValueError if the mark is missing."""
    prose, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{prose}{mark}\n{render_commands()}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(update_page(document.read_text(encoding="utf-8")), encoding="utf-8")
