"""Make docs/dnsfilterctl.md's reference: `python -m api.ctl.command_reference docs/dnsfilterctl.md`."""

import sys
from pathlib import Path

from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every

MARK = "<!-- Generated from the help texts by `python -m api.ctl.command_reference`; a test compares. -->"


def render_commands() -> str:
    """Every command with its help, as Markdown."""
    return "".join(
        f"\n### {parser.prog}\n\n```text\n{parser.format_help().rstrip()}\n```\n" for parser in every(make_parser())
    )


def renewed(page: str) -> str:
    """The page with what follows the mark made anew; raises ValueError without the mark."""
    prose, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{prose}{mark}\n{render_commands()}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text(encoding="utf-8")), encoding="utf-8")
