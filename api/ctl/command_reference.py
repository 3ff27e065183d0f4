"""Generate the command reference: `python -m api.ctl.command_reference docs/reference/dnsfilterctl.md`."""

import sys
from pathlib import Path

from api.ctl.command import PROGRAM
from api.ctl.help_topics import TEXTS
from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every

MARK = "<!-- Generated from the help texts by `python -m api.ctl.command_reference`; a test compares. -->"


def render_commands() -> str:
    """Return the help of every command, and the help topics, as Markdown."""
    texts = {parser.prog: parser.format_help() for parser in every(make_parser())}
    texts |= {f"{PROGRAM} help {topic}": text for topic, text in TEXTS.items()}
    return "".join(f"\n### {title}\n\n```text\n{text.rstrip()}\n```\n" for title, text in texts.items())


def update_page(page: str) -> str:
    """Return the page with the part after the mark generated again. Raise ValueError if the mark is missing."""
    prose, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{prose}{mark}\n{render_commands()}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(update_page(document.read_text(encoding="utf-8")), encoding="utf-8")
